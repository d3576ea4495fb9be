"""How a solve ended: one code per point, with a sentence that says what to do next."""

import enum


class Status(enum.IntEnum):
    """The end of a solve. Only `successful` is an equilibrium that passed both of its checks.

    Code 0 is never returned by a solve: an unwritten store reads as 0.
    """

    not_computed = 0
    successful = 1
    first_order = 2
    max_steps = 3
    nonfinite = 4
    deviation_found = 5
    unbounded = 6
    invalid_bounds = 7
    subgame_failed = 8
    undecided = 9
    cycling = 10
    unattained = 11
    infeasible = 12

    @property
    def message(self) -> str:
        """What happened and what to try."""
        return _MESSAGES[self]


_MESSAGES = {
    Status.not_computed: "This point has not been computed.",
    Status.successful: "An equilibrium: the residual and the regret are within the tolerance.",
    Status.first_order: (
        "The first-order conditions hold; profitable deviations were not searched for, so this is not known to be an "
        "equilibrium. Leave `certify` on to have it checked."
    ),
    Status.max_steps: (
        "The first-order conditions do not hold after the last step. Raise `max_steps`, try another `start` or a "
        "smaller damping; if payoffs have kinks, start near the right one. A game may also have no pure equilibrium."
    ),
    Status.nonfinite: (
        "A payoff, or a derivative of it, is NaN or infinite inside the bounds. Check the parameters, tighten the "
        "bounds to where the payoff is defined, or give another `start`."
    ),
    Status.deviation_found: (
        "The point satisfies the first-order conditions but a firm gains by a deviation (see "
        "`certificate.deviation`). Continue from there with `start=`, try several starts, or accept that this game "
        "may have no pure equilibrium here."
    ),
    Status.unbounded: (
        "A strategy ran away towards an infinite bound. Give finite bounds, or check that the payoff falls for large "
        "strategies."
    ),
    Status.invalid_bounds: "A lower bound exceeds an upper bound, or is NaN. Check `bounds()` at these parameters.",
    Status.subgame_failed: (
        "A later stage of the game has no certified equilibrium, so the choices before it cannot be judged. Look at "
        "`subgame.status`."
    ),
    Status.cycling: (
        "Play that goes on from the most profitable deviation comes back to a point that a firm leaves: it cycles, and "
        "there may be no pure equilibrium here. Look at the cycle with `best_response_path`, or try other starts with "
        "`equilibria`."
    ),
    Status.unattained: (
        "A firm gains by an arbitrarily small change of its strategy, because its payoff jumps: best responses are "
        "limits that no strategy attains, as where a price is undercut. There may be no pure equilibrium; look at "
        "`best_response_path`."
    ),
    Status.undecided: (
        "There are several equilibria and the rule singles none of them out. Look at them with `equilibria`, or take "
        "another rule."
    ),
    Status.infeasible: (
        "The last point violates a constraint or, of affine rules in a dynamic game, a bound. Perhaps no profile "
        "satisfies all constraints at these parameters: check `constraints()` and `bounds()`; if they can be met, "
        "raise `max_steps` or give another `start`. Affine rules know no bounds, and where one binds they are no "
        "equilibrium, clipped or not: `PathGame` imposes bounds, on open-loop play; Markov-perfect play within bounds "
        "that bind is not computed."
    ),
}
