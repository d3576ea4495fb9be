"""Best-response iteration: every firm ascends its own payoff, then all move towards their best responses.

Undamped, the iteration diverges at perfectly good equilibria (linear Cournot with more than three firms: Theocharis
1960), so a few damped rounds choose the basin and an active-set Newton on the stacked conditions finishes. Newton's end
is kept only if every payoff is concave there in its owner's strategies; otherwise best responses go on from where they
were, twice as long.
"""

from typing import NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._anderson import History, accelerate, empty_history, remember
from ._conditions import Conditions
from ._errors import GameError
from ._layout import strategy_scale
from ._method import Iterate, Method, Steps, iterate
from ._newton import newton
from ._response import best_response, best_responses

_NEWTON_STEPS = 16
_LEAST_DAMPING = 1 / 64
_RECOVERY = 1.1
_ROUGH = 1e-2


class BestResponse(Method):
    """Damped or accelerated best responses that hand over to Newton's method: the default, and the robust one.

    >>> BestResponse(damping=1.0, finish=False).sequential
    False
    """

    damping: float = eqx.field(static=True, default=0.5)
    """Share of the way to the best response, in (0, 1]; halved whenever the responses grow, and slowly raised again
    while they do not."""
    sequential: bool = eqx.field(static=True, default=False)
    """Whether firms respond one after the other to what the earlier ones just chose (Gauss-Seidel), not all at once
    (Jacobi)."""
    memory: int = eqx.field(static=True, default=0)
    """How many earlier rounds Anderson acceleration combines; 0 for none."""
    finish: bool = eqx.field(static=True, default=True)
    """Whether to hand over to Newton's method; without it this is plain best-response dynamics."""
    warmup: int = eqx.field(static=True, default=2)
    """Rounds before the first hand-over; doubled after each one that failed."""
    inner: int = eqx.field(static=True, default=8)
    """The most ascent steps within one best response."""
    escapes: int = eqx.field(static=True, default=6)
    """How often to continue from the most profitable deviation when the point found is not an equilibrium."""

    def __check_init__(self):
        if not 0 < self.damping <= 1:
            raise GameError(f"damping is {self.damping}; give a number above 0 and at most 1.")
        if self.memory < 0 or self.warmup < 1 or self.inner < 1 or self.escapes < 0:
            raise GameError(f"{self}: warmup and inner must be at least 1, memory and escapes at least 0.")

    def run(self, conditions: Conditions, z: Float[Array, " strategy"], *, tol: float, max_steps: Steps) -> Iterate:
        """Iterate from `z` until the residual is at most `tol`."""

        def unfinished(state: _State):
            return (state.residual > tol) & (state.steps < max_steps)

        def attempt(state: _State) -> _State:
            state = self._respond(conditions, state, tol=tol, max_steps=max_steps)
            if not self.finish:
                return state
            # Lanes that are done, or out of steps, must not cost another Newton iteration.
            left = jnp.where(state.residual > tol, max_steps - state.steps, 0)
            end, concave = newton(conditions, state.z, tol=tol, max_steps=jnp.minimum(left, _NEWTON_STEPS))
            good = (end.residual <= tol) & concave
            return state._replace(
                z=jnp.where(good, end.z, state.z),
                residual=jnp.where(good, end.residual, state.residual),
                steps=state.steps + end.steps,
                rounds=2 * state.rounds,
                exact=good & end.exact,
            )

        large = jnp.full((), jnp.inf, z.dtype)
        begin = _State(
            z=z,
            residual=large,
            damping=jnp.full((), self.damping, z.dtype),
            distance=large,
            rounds=jnp.full((), self.warmup if self.finish else max_steps, jnp.int32),
            steps=jnp.zeros((), jnp.int32),
            history=empty_history(z, self.memory),
            exact=jnp.zeros((), bool),
        )
        end = iterate(unfinished, attempt, alike(begin, z))
        return Iterate(end.z, end.residual, end.steps, end.exact)

    def _respond(self, conditions: Conditions, state: "_State", *, tol: float, max_steps: Steps) -> "_State":
        """A few rounds of best responses, fewer if they settle."""
        last = state.steps + state.rounds

        def unfinished(state: _State):
            return (state.residual > tol) & (state.steps < jnp.minimum(last, max_steps))

        def round_(state: _State) -> _State:
            z = state.z
            responses = self._responses(conditions, z, tol)
            move = responses - z
            scale = strategy_scale(z, responses, conditions.lower, conditions.upper, conditions.layout)
            distance = jnp.max(jnp.abs(move) / scale)
            grew = distance > state.distance
            longer = jnp.minimum(_RECOVERY * state.damping, self.damping)
            damping = jnp.where(grew, jnp.maximum(0.5 * state.damping, _LEAST_DAMPING), longer)
            history = remember(state.history, z, move)
            new = jnp.clip(accelerate(history, z, move, damping), conditions.lower, conditions.upper)
            settled = distance <= 0.1 * tol
            return _State(
                z=jnp.where(settled, responses, new),
                residual=jnp.where(settled, distance, jnp.inf),
                damping=damping,
                distance=distance,
                rounds=state.rounds,
                steps=state.steps + 1,
                history=history,
                exact=state.exact,
            )

        return iterate(unfinished, round_, state)

    def _responses(self, conditions: Conditions, z, tol):
        """The best response of every firm, to the others at z or, if sequential, to what they just chose."""
        layout = conditions.layout
        # Rounds that only choose the basin need no more than rough responses; each is at least one Newton step.
        options = {"tol": max(tol, _ROUGH) if self.finish else tol, "iterations": self.inner}
        if self.sequential:

            def one(i, z):
                return best_response(conditions, z, i, **options)

            return conditions.respond(z, jax.lax.fori_loop(0, layout.firms, one, z))
        return conditions.respond(z, best_responses(conditions, z, **options))


class _State(NamedTuple):
    z: Float[Array, " strategy"]
    residual: Float[Array, ""]
    damping: Float[Array, ""]
    distance: Float[Array, ""]
    rounds: Int[Array, ""]
    steps: Int[Array, ""]
    history: History
    exact: Bool[Array, ""]
