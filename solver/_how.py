"""What is computed at one point: a problem with its parameters put in, solved, and all that is wanted of it.

`How` is all that is fixed in a program besides the structure of the problem, which `hashable` makes a key of.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from . import _numpy as jnp
from ._axes import Knob, put, take
from ._equilibrium import equilibrium
from ._game import Game, Problem
from ._labels import derivative, evidence, kept, reported
from ._solution import Equilibrium
from ._status import Status

Results = dict[str, Any]
"""Name of a variable -> its values, points first."""


class Limit(NamedTuple):
    """How far a kernel goes this time."""

    steps: Any
    final: Any
    """Whether what takes that many steps will not be solved again."""


@dataclasses.dataclass(frozen=True)
class How:
    """All that is fixed in a program besides the structure of the problem; hashable."""

    axes: tuple[Knob, ...]
    sensitivity: tuple[Knob, ...]
    method: Any
    tol: float
    max_steps: int
    search: Any
    keep: tuple[str, ...] | None = None
    """Names of the variables that are wanted; all if None."""

    def unsolved(self, status: Any) -> Any:
        """Whether each point lacks an equilibrium, or a first-order point if that is all that was asked for."""
        # Numbers, not the enumeration, with which comparing costs as much as a solver does.
        left = status != int(Status.successful)
        return left if self.search is not None else left & (status != int(Status.first_order))

    def solve(self, problem: Problem, limit: "Limit | None" = None) -> Equilibrium:
        """The equilibrium of one problem, in fewer steps if wanted."""
        options: dict[str, Any] = {"tol": self.tol, "max_steps": self.max_steps, "search": self.search}
        if limit is not None:
            options["max_steps"] = limit.steps
            if isinstance(problem, Game):
                options["final"] = limit.final
        return equilibrium(problem, self.method, **options)

    def point(self, problem: Problem, values: Float[Array, " axis"], limit: "Limit | None" = None) -> dict[str, Array]:
        """All variables at one point of the grid."""
        problem = put(problem, self.axes, list(values))
        if not self.sensitivity:
            eq = self.solve(problem, limit)
            return kept(reported(eq) | evidence(eq), self.keep)

        def real(theta: tuple[Array, ...]) -> tuple[dict[str, Array], Equilibrium]:
            eq = self.solve(put(problem, self.sensitivity, theta), limit)
            wanted = kept(reported(eq), self.keep)
            return {k: v for k, v in wanted.items() if jnp.issubdtype(v.dtype, jnp.floating)}, eq

        def along(direction: tuple[Array, ...]) -> tuple[dict[str, Array], Equilibrium]:
            _, slopes, eq = jax.jvp(real, (theta,), (direction,), has_aux=True)
            return slopes, eq

        theta = take(problem, self.sensitivity)
        directions = tuple(jnp.asarray(row, theta[0].dtype) for row in np.eye(len(theta)))
        # One solve for all directions: only the derivatives have them as an axis.
        slopes, eq = jax.vmap(along, out_axes=(0, None))(directions)
        every = kept(reported(eq) | evidence(eq), self.keep)
        for name, rows in slopes.items():
            every |= {derivative(name, knob.name): rows[i] for i, knob in enumerate(self.sensitivity)}
        return every


def shapes(problem: Problem, how: How) -> Equilibrium:
    """The shapes of the equilibrium of one problem; traced once for the same arguments."""
    return jax.eval_shape(_single(hashable(problem), how), eqx.partition(problem, eqx.is_array)[0])


def hashable(problem: Problem) -> tuple[Any, ...]:
    """All of a problem but its arrays; a module itself is not hashable if a field is a dictionary."""
    leaves, structure = jax.tree.flatten(eqx.partition(problem, eqx.is_array)[1])
    return (structure, *leaves)


def restored(parts: tuple[Any, ...]) -> Problem:
    """The problem that `hashable` made these parts of, without its arrays."""
    structure, *leaves = parts
    return jax.tree.unflatten(structure, leaves)


@functools.lru_cache(maxsize=16)
def _single(parts: tuple[Any, ...], how: How) -> Callable[[Any], Equilibrium]:
    return jax.jit(lambda arrays: how.solve(eqx.combine(arrays, restored(parts))))
