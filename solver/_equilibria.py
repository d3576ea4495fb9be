"""All equilibria of a game that many starts lead to, each with its certificate.

Newton's method is started all over the strategies, because it goes to stable and unstable points alike. The distinct
first-order points are judged; from those that are no equilibria, play goes on from the most profitable deviation, by a
method that follows best responses. Nothing proves that there are no others: the number found is a lower bound.
"""

from collections.abc import Iterator, Mapping

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._best_response import BestResponse
from ._check import check_options, check_start, prepare
from ._conditions import Conditions, conditions_of, own_concave
from ._each import each
from ._equilibrium import nash
from ._errors import GameError
from ._game import Game
from ._kinks import kinked, lone, settle
from ._layout import Layout, dtype_of, layout_of
from ._method import Iterate, Method, Steps
from ._newton import Newton
from ._priced import refuse_constraints
from ._search import GlobalSearch
from ._smooth import Shape, shape_of_payoffs
from ._solution import Equilibrium
from ._starts import starting_points
from ._status import Status

_NEWTON = Newton()
_ROUNDS = 2


class Equilibria(eqx.Module):
    """The distinct first-order points that were found, equilibria first, in a table of fixed size.

    Outside of JAX transformations it behaves as the sequence of the equilibria: `len`, indices and loops.
    """

    points: Equilibrium
    """Every point, with a leading axis of the size of the table; rows that hold none have status `not_computed`."""
    count: Int[Array, ""]
    """How many equilibria were found: the first `count` rows."""
    others: Int[Array, ""]
    """How many first-order points were found that are no equilibria: the rows after those."""
    full: Bool[Array, ""]
    """Whether more points were found than the table has rows."""

    def __len__(self) -> int:
        return int(self.count)

    def __getitem__(self, index: int) -> Equilibrium:
        if not -len(self) <= index < len(self):
            raise IndexError(f"There are {len(self)} equilibria; {index} is out of range.")
        return jax.tree.map(lambda leaf: leaf[index % len(self)], self.points)

    def __iter__(self) -> Iterator[Equilibrium]:
        return (self[i] for i in range(len(self)))

    def __str__(self) -> str:
        if isinstance(self.count, Tracer) or np.ndim(self.count):
            return f"equilibria of {np.shape(self.count) or 'traced'} points"
        head = f"{int(self.count)} equilibria, {int(self.others)} other first-order points"
        note = "; the table is full, raise `capacity`" if bool(self.full) else ""
        return "\n\n".join([head + note, *map(str, self)])


def equilibria(
    game: Game,
    method: Method | None = None,
    *,
    starts: int = 64,
    capacity: int = 16,
    start: Mapping[str, ArrayLike] | None = None,
    tol: float | None = None,
    max_steps: int = 256,
    certify: bool | GlobalSearch = True,
) -> Equilibria:
    """All equilibria of `game` that are found from many starts, without repetition, each with its certificate.

    Works under `jax.jit` and `jax.vmap`, and every equilibrium has exact derivatives, as from `solve`. Two points are
    one if no strategy differs by more than sqrt(tol) of its size.

    Args:
        game: a `Game`.
        method: how play goes on from a first-order point that is no equilibrium; `BestResponse()` by default.
        starts: how many low-discrepancy points to start from, besides the usual start and the corners.
        capacity: the most first-order points that are kept, equilibria or not.
        start: strategies of the usual start, as in `solve`.
        tol: as in `solve`.
        max_steps: the most steps from each start.
        certify: as in `solve`; without it every first-order point counts.

    Raises:
        GameError: the game, the start or an option is ill-defined.

    >>> from jaxtyping import Array, Float
    >>> from nashgrid.solver import Game, equilibria, parameter
    >>> class Coordination(Game):
    ...     pull: Float[Array, ""] = parameter(3.0, "how much each firm wants to do what the other does")
    ...     firms = ("A", "B")
    ...     def bounds(self):
    ...         return {"x": (-2.0, 2.0)}
    ...     def payoff(self, s):
    ...         return self.pull * s["x"] * s["x"][::-1] - s["x"] ** 2 / 2 - s["x"] ** 4 / 4
    >>> [round(float(e.strategy["x"][0]), 3) for e in equilibria(Coordination(), tol=1e-4)]
    [-1.414, 0.0, 1.414]
    """
    method = BestResponse() if method is None else method
    prepared = prepare(game)
    if not isinstance(prepared, Game):
        raise GameError(f"equilibria is for games of simultaneous play, not for a {type(game).__name__}.")
    refuse_constraints(prepared, "equilibria")
    if start is not None:
        start = check_start(prepared, start)
    tol, search = check_options(method, tol, max_steps, dtype_of(prepared), certify)
    check_size(starts, capacity)
    return _compiled(prepared, start, method, int(starts), int(capacity), tol, int(max_steps), search)


def check_size(starts: int, capacity: int) -> None:
    """Refuse numbers of starts or rows that are no numbers."""
    for name, value, least in (("starts", starts, 0), ("capacity", capacity, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise GameError(f"{name} is {value!r}; give a whole number of at least {least}.")


@eqx.filter_jit
def _compiled(game, start, method, starts, capacity, tol, max_steps, search):
    return every(
        game, method, start=start, starts=starts, capacity=capacity, tol=tol, max_steps=max_steps, search=search
    )


def every(
    game: Game,
    method: Method,
    *,
    start: Mapping[str, ArrayLike] | None = None,
    starts: int,
    capacity: int,
    tol: float,
    max_steps: int,
    search: GlobalSearch | None,
) -> Equilibria:
    """`equilibria` of a prepared game, as a pure function."""
    layout, dtype = layout_of(game), dtype_of(game)
    fixed = jax.lax.stop_gradient(game)
    conditions = conditions_of(fixed, layout, dtype)
    limits = {"tol": tol, "max_steps": max_steps}
    # Where nobody looks for deviations a kink is nothing.
    kinks = search is not None and bool(lone(layout).any()) and shape_of_payoffs(fixed, layout, dtype) is Shape.edged

    def judged(game: Game, z: Float[Array, " strategy"]) -> Equilibrium:
        return nash(game, _Judge() if kinks else _NEWTON, start=layout.unflatten(z), search=search, **limits)

    def run(z: Float[Array, " strategy"], by: Method) -> tuple[Float[Array, " strategy"], Bool[Array, ""]]:
        end = by.run(conditions, z, **limits)
        solved = end.residual <= tol
        if not kinks:
            return end.z, solved
        settled, at_kink = settle(conditions, z, ~solved)
        return jnp.where(at_kink, settled, end.z), solved | at_kink

    def look(table: _Table, begin: Float[Array, "start strategy"], by: Method) -> _Table:
        ends, valid = each(lambda z: run(z, by), begin)
        z, valid = jnp.concatenate([table.z, ends]), jnp.concatenate([table.valid, valid])
        return _distinct(conditions, layout, z, valid, table.full, tol, capacity)

    begin = alike(starting_points(fixed, layout, dtype, start, starts), fixed)
    rows = jnp.broadcast_to(begin[0], (capacity, layout.size))
    nothing = _Table(rows, jnp.zeros(capacity, bool), jnp.zeros((), bool))
    table = look(nothing, begin, _NEWTON)

    first = jnp.concatenate([begin, rows])[:capacity]

    def go_on(k: int, table: _Table) -> _Table:
        points = each(lambda z: judged(fixed, z), table.z)
        onward = jax.vmap(lambda point: _onward(point, layout))(points)
        # Best responses end at stable equilibria that Newton's method rarely does: at first, from some of the starts.
        return look(table, jnp.where(k == 0, first, onward), method)

    if search is not None:
        table = jax.lax.fori_loop(0, _ROUNDS + 1, go_on, table)
    table = jax.lax.stop_gradient(table)
    return _in_order(each(lambda z: judged(game, z), table.z), table, layout, search, tol)


class _Judge(Method):
    """Newton's method, which leaves alone what is at a kink."""

    escapes: int = eqx.field(static=True, default=0)

    def run(self, conditions: Conditions, z: Float[Array, " strategy"], *, tol: float, max_steps: Steps) -> Iterate:
        """Iterate from `z` until the residual is at most `tol`."""
        steps = jnp.where(kinked(conditions, z)[0], 0, max_steps)
        return _NEWTON.run(conditions, z, tol=tol, max_steps=steps)

    def describe(self) -> str:
        """As Newton's method."""
        return _NEWTON.describe()


class _Table(eqx.Module):
    z: Float[Array, "row strategy"]
    valid: Bool[Array, " row"]
    full: Bool[Array, ""]


def _onward(point: Equilibrium, layout: Layout) -> Float[Array, " strategy"]:
    """The profile after the most profitable deviation; where there is none, the profile itself."""
    certificate = point.certificate
    assert certificate is not None
    z = layout.flatten(point.strategy)
    deviator = jnp.argmax(certificate.gain / certificate.payoff_scale).astype(jnp.int32)
    moves = np.asarray(layout.owner, np.int32) == deviator
    return jnp.where(moves, layout.flatten(certificate.deviation), z)


def _distinct(conditions: Conditions, layout: Layout, z, valid, full, tol: float, capacity: int) -> _Table:
    """The distinct valid points, those where every payoff is locally concave first; the first ones of equal rank."""

    def look_at(z):
        point = conditions.at(z)
        return own_concave(point, layout), point.scale

    concave, size = each(look_at, z)
    index = np.arange(len(z), dtype=np.int32)

    def repeats(row):
        one, own, k = row
        apart = jnp.abs(one[None, :] - z) / jnp.maximum(own[None, :], size)
        return jnp.any(jnp.all(apart <= tol**0.5, axis=1) & (index < k) & valid)

    new = valid & ~each(repeats, (z, size, jnp.asarray(index)))
    rank = jnp.where(new, jnp.where(concave, 0, 1), 2).astype(jnp.int32)
    order = jnp.argsort(rank, stable=True)[:capacity]
    return _Table(jnp.take(z, order, axis=0), jnp.take(new, order), full | (jnp.sum(new) > capacity))


def _in_order(points: Equilibrium, table: _Table, layout: Layout, search, tol: float) -> Equilibria:
    """Equilibria first, then the others, then empty rows; each kind in the order of the strategies."""
    accepted = Status.first_order if search is None else Status.successful
    found = table.valid & (points.status == accepted)
    z = jax.lax.stop_gradient(jax.vmap(layout.flatten)(points.strategy))
    # Rounded, so that what differs by rounding alone is in the same order everywhere.
    key = jnp.round(z / jnp.maximum(jnp.max(jnp.abs(z)), jnp.finfo(z.dtype).tiny) / tol**0.5)
    rank = jnp.where(found, 0, jnp.where(table.valid, 1, 2)).astype(jnp.int32)
    order = jnp.lexsort((*key.T[::-1], rank))
    # Without any point, the first row still tells what happened from the usual start.
    told = table.valid | (~jnp.any(table.valid) & (np.arange(len(z)) == 0))
    status = jnp.where(told, points.status, Status.not_computed).astype(jnp.int32)
    points = eqx.tree_at(lambda p: p.status, points, status)
    points = jax.tree.map(lambda leaf: jnp.take(leaf, order, axis=0), points)
    count, all_ = jnp.sum(found, dtype=jnp.int32), jnp.sum(table.valid, dtype=jnp.int32)
    return Equilibria(points, count, all_ - count, table.full)
