"""What a method is: from a start to a point where the first-order conditions hold, in a bounded number of steps."""

import abc
from typing import NamedTuple

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, Int

from ._conditions import Conditions

Steps = int | Int[Array, ""]


class Iterate(NamedTuple):
    """Where a method stands."""

    z: Float[Array, " strategy"]
    residual: Float[Array, ""]
    steps: Int[Array, ""]
    exact: Bool[Array, ""] | bool = False
    """Whether the residual is that of the conditions at z and all payoffs there are finite: nobody need look again."""


class Method(eqx.Module):
    """A way to find a first-order point. Subclass it with `run`; fields are the options, all static.

    A method only proposes: whether its point is an equilibrium is judged by the certificate.
    """

    escapes: eqx.AbstractVar[int]
    """How often to continue from the most profitable deviation when the point found is not an equilibrium."""

    @abc.abstractmethod
    def run(self, conditions: Conditions, z: Float[Array, " strategy"], *, tol: float, max_steps: Steps) -> Iterate:
        """Iterate from `z` until the residual is at most `tol`, for at most `max_steps` steps; pure, vmappable."""

    def describe(self) -> str:
        """The method and its options, the same text in every process."""
        return repr(self)


def iterate(unfinished, step, state):
    """The one loop of all methods: `step` the state while `unfinished`; bounded because `unfinished` counts steps."""
    return jax.lax.while_loop(unfinished, step, state)
