"""What a solve returns: the equilibrium, and the evidence that it is one."""

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int

from ._game import Profile
from ._status import Status


class Certificate(eqx.Module):
    """Evidence about a strategy profile z, recomputed from the game by other code than the solver's.

    Notation: g_j is the derivative of its owner's payoff in strategy j, h_j = |own second derivative|, sigma_j the
    size of that strategy in this profile (see `strategy_scale`), F the strategies not at a bound. All are
    dimensionless unless a unit is given, so that they do not depend on the units of payoffs or strategies. What is not
    defined is NaN: `concavity`, `stability` and `conditioning` of a choice from a list, as in a `Stage` or under a
    `Leader` with `choices`, which has no derivatives.

    A strategy is at a kink if the conditions fail there, but its owner's payoff rises just below, falls just above and
    does not jump; only the only strategy of a firm counts. If one is, `margin` is 0, `stability`, `conditioning` and
    `error` are not known (NaN), and so are derivatives of the equilibrium: no condition says how a kink moves.
    """

    residual: Float[Array, "*lanes"]
    """max_j |z_j - clip(z_j + g_j/h_j, lower_j, upper_j)| / sigma_j: zero at, and only at, a first-order point.
    For a strategy at a kink, the relative distance at which the slopes beside it were taken."""
    regret: Float[Array, "*lanes"]
    """The largest `gain` found, relative to that firm's `payoff_scale`; at most the tolerance at an equilibrium."""
    gain: Float[Array, "*lanes firm"]
    """By firm, payoff units: what its best deviation found by the global search would add; never below 0."""
    deviation: Profile
    """By strategy: that best deviation, for every firm against the others' strategies in z."""
    concavity: Float[Array, "*lanes"]
    """Largest eigenvalue of the firms' own Hessians on F, scaled to unit diagonal: negative where every payoff is
    locally strictly concave in its owner's strategies, -inf where F is empty."""
    stability: Float[Array, "*lanes"]
    """Spectral radius of the simultaneous best-response map on F: below 1, undamped best responses converge locally."""
    conditioning: Float[Array, "*lanes"]
    """Condition number (infinity norm, scaled) of the Jacobian of the first-order conditions on F: at 1/eps the
    equilibrium is not locally unique and has no derivatives. Of more than 40 strategies often estimated from below, in
    most cases to within a third."""
    margin: Float[Array, "*lanes"]
    """Distance to the nearest change of the set of strategies at a bound, relative to sigma: at 0 strict
    complementarity fails and derivatives are one-sided, or a strategy is at a kink and there are none."""
    error: Float[Array, "*lanes"]
    """Estimated distance to the exact equilibrium: the next Newton step plus rounding, relative to sigma."""
    payoff_scale: Float[Array, "*lanes firm"]
    """By firm, payoff units: the scale against which `regret` is measured, max(|payoff|, h z^2) with a floor."""


class Equilibrium(eqx.Module):
    """The end of a solve; an equilibrium if and only if `status` is `Status.successful`.

    Under `vmap`, and in results of many points, every array has the lanes as leading axes.
    """

    strategy: Profile
    """Name -> strategies, by firm (or by item, see `Game.owners`)."""
    payoff: Float[Array, "*lanes firm"]
    """Every firm's payoff, in the unit of `Game.payoff`."""
    outcomes: dict[str, Array]
    """What `Game.outcomes` reports at `strategy`."""
    certificate: Certificate | None
    """The evidence; None if it was not asked for."""
    status: Int[Array, "*lanes"]
    """A code of `Status`."""
    steps: Int[Array, "*lanes"]
    """Steps taken by the method, over all its attempts."""
    subgame: "Equilibrium | None"
    """In sequential play: the followers' equilibrium at the leader's choice, with its own certificate."""
    concept: str = eqx.field(static=True)
    """The equilibrium concept that was solved for, in words."""
    method: str = eqx.field(static=True)
    """The method, with its options."""
    tol: float = eqx.field(static=True)
    """The tolerance on `certificate.residual` and `certificate.regret`."""
    firms: tuple[str, ...] = eqx.field(static=True)
    multipliers: dict[str, Array] = eqx.field(default_factory=dict)
    """Name of a constraint -> its multiplier: what firms would gain per unit of a higher limit (see `Constraint`)."""

    @property
    def successful(self) -> Array:
        """Whether this is a certified equilibrium, by lane."""
        return self.status == Status.successful

    def __str__(self) -> str:
        if np.ndim(self.status):
            status = np.asarray(self.status)
            counts = ", ".join(f"{Status(k).name} {int((status == k).sum())}" for k in np.unique(status))
            return f"{status.size} points, {self.concept}, {self.method}: {counts}"
        status = Status(int(self.status))
        lines = [
            f"{status.name}: {self.concept}",
            f"  method    {self.method}, {int(self.steps)} steps, tol {self.tol:g}, {self.payoff.dtype}",
            *(f"  {name:<9} {_row(value)}" for name, value in self.strategy.items()),
            f"  payoff    {_row(self.payoff)}",
            *(f"  {name:<9} {_row(value)} (multiplier)" for name, value in self.multipliers.items()),
        ]
        if (c := self.certificate) is not None:
            # Of discrete choices some are not defined.
            defined = [
                f"{name} {value:{form}}"
                for name, form in (("stability", ".2f"), ("margin", ".1e"))
                if not np.isnan(value := float(getattr(c, name)))
            ]
            every = [f"residual {float(c.residual):.1e}", f"regret {float(c.regret):.1e}", *defined]
            lines.append(f"  evidence  {', '.join([*every, f'error {float(c.error):.1e}'])}")
        if status is not Status.successful:
            lines.append(f"  {status.message}")
        return "\n".join(lines)


def _row(values: Array) -> str:
    """A few numbers of an array, for reading."""
    return np.array2string(np.asarray(values), precision=6, threshold=8, edgeitems=3)
