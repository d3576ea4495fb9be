"""The matrices of a linear-quadratic game, read off its functions by differentiation.

In homogeneous coordinates y = (1, x), so that affine terms need no care of their own, and z = (1, x, u) with all firms'
actions u stacked: payoffs z' W_i z / 2 in a period, the state that follows y' = G z, and y' Omega_i y / 2 at the end.
"""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from . import _numpy as jnp
from ._dynamic_game import DynamicGame, beginning, states_of, strategies_of
from ._errors import GameError
from ._game import Profile
from ._parameter import as_parameter, parameter

_PROBES = (1.0, 2.5)
_CLOSE = 1e3


class Quadratic(NamedTuple):
    """A linear-quadratic game as matrices; `affine` is 1 + states, `play` is affine + actions."""

    reward: Float[Array, "firm play play"]
    motion: Float[Array, "affine play"]
    terminal: Float[Array, "firm affine affine"]
    initial: Float[Array, " affine"]
    discount: Float[Array, ""]


class LinearQuadratic(DynamicGame):
    """A linear-quadratic dynamic game given by its matrices.

    x_{t+1} = A x_t + B u_t + c and payoffs z' W_i z / 2 with z = (1, x_t, u_t): constants and linear terms are the
    first row and column of W_i, which is made symmetric. One state "x", one strategy "u".

    Args:
        transition: A, shape (state, state).
        control: B, shape (state, action), the actions of all firms side by side.
        reward: W, shape (firm, 1 + state + action, 1 + state + action), payoffs; what is maximized.
        owner: the index of the firm that chooses each action.
        start: x_0; zeros by default.
        constant: c; zeros by default.
        discount: delta in [0, 1].

    Raises:
        GameError: the shapes do not fit each other.

    >>> from nashgrid.solver import LinearQuadratic, MarkovPerfect, solve
    >>> reward = [[[0, 0, 0], [0, -2, 0], [0, 0, -2]]]  # a firm alone: -x^2 - u^2
    >>> alone = LinearQuadratic([[1.0]], [[1.0]], reward, owner=(0,), start=[1.0], discount=1 - 1e-6)
    >>> round(float(solve(MarkovPerfect(alone), tol=1e-3).strategy["u"][0, 0]), 3)  # the golden ratio
    -0.618
    """

    state_matrix: Float[Array, "state state"] = parameter(doc="A: next state by state")
    control: Float[Array, "state action"] = parameter(doc="B: next state by action")
    reward: Float[Array, "firm play play"] = parameter(doc="W: twice the payoff, by (1, state, action)")
    start: Float[Array, " state"] = parameter(doc="x_0: the state at the start")
    constant: Float[Array, " state"] = parameter(doc="c: next state, constant")
    discount: Float[Array, ""] = parameter(0.95, "delta in [0, 1], per period")
    owner: tuple[int, ...] = eqx.field(static=True, default=())

    def __init__(
        self,
        transition: ArrayLike | Sequence[Sequence[float]],
        control: ArrayLike | Sequence[Sequence[float]],
        reward: ArrayLike | Sequence[Sequence[Sequence[float]]],
        *,
        owner: tuple[int, ...],
        start: ArrayLike | Sequence[float] | None = None,
        constant: ArrayLike | Sequence[float] | None = None,
        discount: ArrayLike = 0.95,
    ):
        a, b, w = (as_parameter(np.asarray(m) if isinstance(m, Sequence) else m) for m in (transition, control, reward))
        n, m = a.shape[0] if a.ndim else 0, len(owner)
        k = 1 + n + m
        if a.shape != (n, n) or b.shape != (n, m) or w.ndim != 3 or w.shape[1:] != (k, k):
            raise GameError(
                f"transition, control and reward of a LinearQuadratic have the shapes {a.shape}, {b.shape} and "
                f"{w.shape}; with {n} states and {m} owned actions give ({n}, {n}), ({n}, {m}) and (firms, {k}, {k})."
            )
        if set(owner) != set(range(w.shape[0])):
            raise GameError(f"owner is {owner}; name each of the {w.shape[0]} firms of reward by its index.")
        zeros = jnp.zeros(n, w.dtype)
        self.state_matrix, self.control, self.reward, self.owner = a, b, w, tuple(owner)
        self.start, self.constant = (zeros if v is None else jnp.asarray(v, w.dtype) for v in (start, constant))
        self.discount = jnp.asarray(discount, w.dtype)
        if self.start.shape != (n,) or self.constant.shape != (n,):
            raise GameError(f"start and constant of a LinearQuadratic: give {n} numbers, one for each state.")

    @property
    def firms(self) -> tuple[str, ...]:
        return tuple(f"firm {i + 1}" for i in range(self.reward.shape[0]))

    def owners(self) -> dict[str, tuple[int, ...]]:
        return {"u": self.owner}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"u": ("action",), "x": ("state",)}

    def initial(self) -> dict[str, ArrayLike]:
        return {"x": self.start}

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"u": (-jnp.inf, jnp.inf)}

    def transition(self, x: Profile, s: Profile) -> Profile:
        return {"x": product(self.state_matrix, x["x"]) + product(self.control, s["u"]) + self.constant}

    def payoff(self, x: Profile, s: Profile) -> Float[Array, " firm"]:
        z = jnp.concatenate([jnp.ones((1,), x["x"].dtype), x["x"], s["u"]])
        return 0.5 * jnp.sum(self.reward * z[None, :, None] * z[None, None, :], axis=(1, 2))


def quadratic_of(game: DynamicGame, dtype: jnp.dtype) -> Quadratic:
    """The matrices of a game that is linear-quadratic; of any other, those of its expansion about zero."""
    layout, states = strategies_of(game), states_of(game)
    n = states.size

    def parts(v: Float[Array, " state_action"]) -> tuple[Profile, Profile]:
        return states.unflatten(v[:n]), layout.unflatten(v[n:])

    zero = jnp.zeros(n + layout.size, dtype)
    reward = _homogeneous(lambda v: game.payoff(*parts(v)), zero)
    terminal = _homogeneous(lambda v: game.terminal(states.unflatten(v)), zero[:n])
    move = lambda v: states.flatten(game.transition(*parts(v)))  # noqa: E731
    rows = jnp.concatenate([move(zero)[:, None], jax.jacfwd(move)(zero)], axis=1)
    first = jnp.asarray(np.eye(1, 1 + n + layout.size), dtype)
    one = jnp.ones((1,), dtype)
    return Quadratic(
        reward,
        jnp.concatenate([first, rows]),
        terminal,
        jnp.concatenate([one, states.flatten(beginning(game, dtype))]),
        jnp.asarray(game.discount, dtype),
    )


def is_quadratic(game: DynamicGame, dtype: jnp.dtype) -> dict[str, Bool[Array, ""]]:
    """Whether payoffs are quadratic, and transitions linear, at points where it is tried."""
    close = _CLOSE * float(jnp.finfo(dtype).eps)
    return {name: off <= close for name, off in _differences(game, dtype).items()}


def refuse_not_quadratic(game: DynamicGame, dtype: jnp.dtype) -> None:
    """Raise a `GameError` if they are not."""
    for name, fits in is_quadratic(game, dtype).items():
        if not bool(fits):
            kind = "linear" if name == "transition" else "quadratic"
            raise GameError(
                f"{type(game).__name__}.{name} is not {kind} in states and strategies, which Markov-perfect and linear "
                "open-loop play need; PathGame takes any game."
            )


@eqx.filter_jit
def _differences(game: DynamicGame, dtype: jnp.dtype) -> dict[str, Float[Array, ""]]:
    """How far the functions of a game are from its matrices at a few points, relative to their values."""
    layout, states = strategies_of(game), states_of(game)
    q, n = quadratic_of(game, dtype), states.size
    rng = np.random.default_rng(0)
    sizes = np.asarray(_PROBES)[:, None]
    points = jnp.asarray(sizes * rng.uniform(-1.0, 1.0, (len(sizes), n + layout.size)), dtype)

    def both(v):
        x, s = states.unflatten(v[:n]), layout.unflatten(v[n:])
        z = jnp.concatenate([jnp.ones((1,), dtype), v])
        return {
            "payoff": (game.payoff(x, s), _forms(q.reward, z)),
            "terminal": (game.terminal(x), _forms(q.terminal, z[: 1 + n])),
            "transition": (states.flatten(game.transition(x, s)), product(q.motion, z)[1:]),
        }

    pairs = jax.vmap(both)(points)
    return {
        name: jnp.max(jnp.abs(true - read)) / (1.0 + jnp.max(jnp.abs(true))) for name, (true, read) in pairs.items()
    }


def product(matrix: Float[Array, "n m"], vector: Float[Array, " m"]) -> Float[Array, " n"]:
    """matrix @ vector, in full precision on every device."""
    return jnp.sum(matrix * vector[None, :], axis=1)


def _forms(matrix: Float[Array, "firm n n"], z: Float[Array, " n"]) -> Float[Array, " firm"]:
    return 0.5 * jnp.sum(matrix * z[None, :, None] * z[None, None, :], axis=(1, 2))


def _homogeneous(function, zero: Float[Array, " n"]) -> Float[Array, "firm m m"]:
    """W with function(v) = (1, v)' W (1, v) / 2."""
    value, slope, curvature = function(zero), jax.jacfwd(function)(zero), jax.jacfwd(jax.jacrev(function))(zero)
    top = jnp.concatenate([2.0 * value[:, None, None], slope[:, None, :]], axis=2)
    below = jnp.concatenate([slope[:, :, None], curvature], axis=2)
    return jnp.concatenate([top, below], axis=1)
