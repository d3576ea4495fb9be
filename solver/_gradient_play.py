"""Gradient play: all firms climb their own payoffs at once, by any optax optimizer, projected on the bounds."""

import functools
import hashlib
from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._conditions import Conditions
from ._method import Iterate, Method, Steps, iterate

if TYPE_CHECKING:
    import optax


@functools.cache  # One object, so that two methods by default are equal and compile once.
def _descent() -> "optax.GradientTransformation":
    import optax  # Takes a third as long to import as JAX, and few use this method.

    return optax.sgd(0.25)


class GradientPlay(Method):
    """Simultaneous projected gradient ascent, the simplest learning dynamics (Rosen 1965; Flam 1990).

    By default each gradient is divided by the own curvature, so that a learning rate means the same in every game: at
    1 it is the linearized simultaneous best response, and it must be below 4/(n+1) in linear Cournot with n firms.

    >>> import optax
    >>> GradientPlay(optax.adam(0.01), scaled=False).scaled
    False
    """

    optimizer: "optax.GradientTransformation" = eqx.field(static=True, default_factory=_descent)
    """Any optax optimizer; it is given the negative own gradients."""
    scaled: bool = eqx.field(static=True, default=True)
    """Whether gradients are divided by the own curvature |d2 payoff_i / ds_i2|."""
    escapes: int = eqx.field(static=True, default=0)
    """How often to continue from the most profitable deviation when the point found is not an equilibrium."""

    def run(self, conditions: Conditions, z: Float[Array, " strategy"], *, tol: float, max_steps: Steps) -> Iterate:
        """Iterate from `z` until the residual is at most `tol`."""
        import optax  # Imported by who made the optimizer.

        def unfinished(state: _State):
            return (state.residual > tol) & (state.steps < max_steps)

        def step(state: _State) -> _State:
            point = conditions.at(state.z)
            ascent = point.gradient / point.curvature if self.scaled else point.gradient
            # A strategy held at its bound has nothing to climb; its gradient must not fill the optimizer's memory.
            ascent = jnp.where(point.target == state.z, 0.0, ascent)
            updates, memory = self.optimizer.update(-ascent, state.memory, state.z)
            new = jnp.clip(jnp.asarray(optax.apply_updates(state.z, updates)), conditions.lower, conditions.upper)
            done = point.residual <= tol
            return _State(jnp.where(done, state.z, new), memory, point.residual, state.steps + 1)

        begin = _State(z, self.optimizer.init(z), jnp.full((), jnp.inf, z.dtype), jnp.zeros((), jnp.int32))
        end = iterate(unfinished, step, alike(begin, z))
        return Iterate(end.z, end.residual, end.steps)

    def describe(self) -> str:
        """The method and its options; the optimizer, a pair of functions, by a digest of what it computes."""

        def two_updates(gradient):
            first, memory = self.optimizer.update(gradient, self.optimizer.init(gradient), gradient)
            return first, self.optimizer.update(gradient, memory, gradient)[0]

        program = str(jax.make_jaxpr(two_updates)(jax.ShapeDtypeStruct((2,), jnp.float32)))
        digest = hashlib.sha256(program.encode()).hexdigest()[:12]
        return f"GradientPlay(optimizer={digest}, scaled={self.scaled}, escapes={self.escapes})"


class _State(NamedTuple):
    z: Float[Array, " strategy"]
    memory: "optax.OptState"
    residual: Float[Array, ""]
    steps: Int[Array, ""]
