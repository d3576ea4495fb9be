"""Anderson acceleration of a fixed-point iteration z <- z + damping * move(z) (Anderson 1965; Walker & Ni 2011)."""

from typing import NamedTuple

from jaxtyping import Array, Float, Int

from . import _numpy as jnp
from ._linear import solve


class History(NamedTuple):
    """Differences of the last points and moves, newest first; unused rows are zero."""

    points: Float[Array, "memory strategy"]
    moves: Float[Array, "memory strategy"]
    last_point: Float[Array, " strategy"]
    last_move: Float[Array, " strategy"]
    rounds: Int[Array, ""]


def empty_history(z: Float[Array, " strategy"], memory: int) -> History:
    """Nothing remembered, room for `memory` differences."""
    rows = jnp.zeros((memory, len(z)), z.dtype)
    return History(rows, rows, jnp.zeros_like(z), jnp.zeros_like(z), jnp.zeros((), jnp.int32))


def remember(history: History, z: Float[Array, " strategy"], move: Float[Array, " strategy"]) -> History:
    """The history with one more point and its move."""
    if not history.points.shape[0]:
        return history
    seen = history.rounds > 0

    def push(rows, new):
        return jnp.where(seen, jnp.concatenate([new[None, :], rows[:-1]]), rows)

    return History(
        push(history.points, z - history.last_point),
        push(history.moves, move - history.last_move),
        z,
        move,
        history.rounds + 1,
    )


def accelerate(
    history: History, z: Float[Array, " strategy"], move: Float[Array, " strategy"], damping: Float[Array, ""]
) -> Float[Array, " strategy"]:
    """The next point: the damped step, less the combination of earlier differences that best explains the move."""
    plain = z + damping * move
    if not history.points.shape[0]:
        return plain
    gram = jnp.sum(history.moves[:, None, :] * history.moves[None, :, :], axis=-1)
    # Rows never filled are zero; the small ridge leaves their weight at zero and keeps the system regular.
    size = jnp.sum(jnp.where(jnp.eye(gram.shape[0], dtype=bool), gram, 0.0))
    ridge = jnp.where(size > 0, 1e-10 * size, 1.0) * jnp.eye(gram.shape[0], dtype=z.dtype)
    weights = solve(gram + ridge, jnp.sum(history.moves * move[None, :], axis=-1))
    correction = jnp.sum(weights[:, None] * (history.points + damping * history.moves), axis=0)
    return jnp.where(jnp.all(jnp.isfinite(correction)), plain - correction, plain)
