"""Public policies for access to a language model, as changes of a `QuasiPublicGood`, each with its public cost.

| policy | what changes | public outlay |
|---|---|---|
| compute subsidy, vouchers (`subsidized`) | users pay tau less per use | tau N |
| openness mandate (`mandated`) | theta = 1 | none; developers lose the access revenue |
| public-private partnership (`partnership`) | theta = 1, and the state pays the part g of investment | g n c a^2/2 |
| public compute (`public_compute`) | users pay m + F - tau, not h_k | sum mu_k (h_k - m) Q_k, the part not saved |

The outlay costs (1 + chi) per unit. Public compute can save the premium h_k - m (public operation is as cheap as a
provider's own use) or only pay it; which, is an assumption, and `saved` says it. A public developer is in
`public_developer`. In the open regime the subsidy and the partnership do not meddle: investment, a = (b + F) ybar/(n (1
- g) c (D - eta)), does not depend on what a use costs: the best subsidy has a closed form (`best_open_subsidy`).

`nashgrid.solver.design` chooses among the policies by gradient through the equilibrium: `instruments` has their bounds,
`equity_weighted` the objective, and "public_outlay" is what a budget limits. Public compute that pays the premium is
"hosting_support", if hosting costs all the same a subsidy in the open regime; public compute that saves it is a lower
"hosting_cost", which costs the state nothing: a best policy that uses it rests on that assumption.
"""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import GameError, Leader

from ._quasi_public_forms import open_equilibrium
from .quasi_public_good import QuasiPublicGood


def subsidized(game: QuasiPublicGood, per_use: ArrayLike) -> QuasiPublicGood:
    """A subsidy per use, on top of what there is."""
    return _with(game, subsidy=game.subsidy + per_use)


def mandated(game: QuasiPublicGood) -> QuasiPublicGood:
    """Models have to be open from the start."""
    return _with(game, openness=1.0)


def partnership(game: QuasiPublicGood, cofunding: ArrayLike) -> QuasiPublicGood:
    """The state pays a part g in [0, 1) of the cost of investment; in return the models are open.

    >>> game = partnership(QuasiPublicGood(), 0.5)
    >>> round(float(open_equilibrium(game).investment / open_equilibrium(QuasiPublicGood()).investment), 6)
    2.0
    """
    return _with(game, openness=1.0, cofunding=cofunding)


def public_compute(game: QuasiPublicGood, *, saved: ArrayLike) -> QuasiPublicGood:
    """Users of open models are hosted at the price m; who hosts for less still does.

    Args:
        game: the primitives. One `hosting_cost` with a gradient stays one, so that then every h_k has to be at least m.
        saved: the part of the premium h - m, in [0, 1], that public operation does without; the rest is paid.
    """
    each = game.hosting_cost.ndim > 0
    before = game.hosting_costs() if each else game.hosting_cost
    cost = before - saved * jnp.maximum(before - game.resource_cost, 0.0)
    gradient = 0.0 if each else (1.0 - saved) * game.hosting_gradient
    return _with(game, hosting_cost=cost, hosting_gradient=gradient, hosting_support=1.0)


def scenarios(
    game: QuasiPublicGood, *, per_use: ArrayLike = 0.1, cofunding: ArrayLike = 0.5, saved: ArrayLike = 1.0
) -> dict[str, QuasiPublicGood]:
    """The policies side by side, by name; see the module. Each is a game to be solved.

    >>> [round(float(open_equilibrium(g).welfare), 3) for g in scenarios(QuasiPublicGood()).values() if g.openness]
    [0.947, 0.955, 0.993, 1.041]
    """
    opened = mandated(game)
    return {
        "as it is": game,
        "subsidy": subsidized(game, per_use),
        "mandate": opened,
        "mandate and subsidy": subsidized(opened, per_use),
        "partnership": partnership(game, cofunding),
        "public compute": public_compute(opened, saved=saved),
    }


def instruments(
    game: QuasiPublicGood, *names: str, per_use: float = 1.0, cofunding: float = 0.9
) -> dict[str, tuple[float, float]]:
    """Bounds of the policies for `nashgrid.solver.design`: parameter -> (lower, upper).

    Args:
        game: the primitives.
        names: of "subsidy" (from 0 to `per_use`), "cofunding" (from 0 to `cofunding`), "openness" and "hosting_support"
            (from 0 to 1), "access_fee" (from 0 to `per_use`, regulated) and "hosting_cost" (from m to h, what public
            compute saves, or h alone if it is below m; "hosting_cost[0]", ... where it is given by group); by default
            the first three, which need no assumption about public operation.
        per_use: the highest subsidy, and fee, per use.
        cofunding: the highest public part of the cost of investment, below 1.

    Raises:
        GameError: there is no such policy in the game, as "hosting_cost" where each group has its own.

    >>> instruments(QuasiPublicGood(), "subsidy", "openness")
    {'subsidy': (0.0, 1.0), 'openness': (0.0, 1.0)}
    """
    every = {
        "subsidy": (0.0, per_use),
        "cofunding": (0.0, cofunding),
        "openness": (0.0, 1.0),
        "hosting_support": (0.0, 1.0),
        "access_fee": (0.0, per_use),
    }
    least, most = float(game.resource_cost), np.asarray(game.hosting_cost, float)
    names_of_hosting = [f"hosting_cost[{k}]" for k in range(most.size)] if most.ndim else ["hosting_cost"]
    for name, cost in zip(names_of_hosting, most.ravel().tolist(), strict=True):
        every[name] = (min(least, cost), cost)
    if missing := [name for name in names if name not in every]:
        raise GameError(f"instruments: there is no '{missing[0]}' in this game; there is {', '.join(every)}.")
    return {name: every[name] for name in names or ("subsidy", "cofunding", "openness")}


def equity_weighted(weight: float, measure: Literal["gini", "poorest_usage"] = "gini") -> dict[str, float]:
    """Welfare with a weight on equity, as an objective of `nashgrid.solver.design`: W - weight x Gini coefficient of
    usage, or W + weight x usage of the group that uses least. The weight is a judgement, not a finding.

    >>> equity_weighted(2.0)
    {'welfare': 1.0, 'gini': -2.0}
    """
    return {"welfare": 1.0, measure: -weight if measure == "gini" else weight}


def release_choice(game: QuasiPublicGood, *, interval: tuple[float, float] | None = None) -> Leader:
    """The sequential game: a regulator chooses openness for welfare, 0 or 1 or from `interval`, before investment."""
    if interval is not None:
        return Leader(game, choose="openness", maximize="welfare", interval=interval)
    return Leader(game, choose="openness", maximize="welfare", choices=(0.0, 1.0))


def best_open_subsidy(game: QuasiPublicGood) -> Float[Array, ""]:
    """The subsidy per use that maximizes welfare in the open regime, all groups served at it and at none.

    tau = max(0, eps + F + V (eta/(D - eta) - chi) - (1 + chi) S)/((D - 2 eta)/(D - eta) + 2 chi), V = ybar A - h - F +
    S, h the mean hosting cost, and S the mean of s max(h_k - m, 0), what the state pays of it; as long as eta < D/2 or
    chi is large: NaN unless the denominator is positive.
    """
    users, chi = game.users(), game.public_funds_cost
    free = _with(game, subsidy=0.0)
    unsubsidized = open_equilibrium(free)
    value = users.mean_need() * unsubsidized.quality - unsubsidized.price
    support = game.hosting_support * jnp.sum(users.mass * game.hosting_premiums())
    gap = users.slope - users.network
    rise = game.spillover + game.access_fee + value * (users.network / gap - chi) - (1.0 + chi) * support
    fall = (users.slope - 2.0 * users.network) / gap + 2.0 * chi
    fine = fall > 0.0
    return jnp.where(fine, jnp.maximum(rise, 0.0) / jnp.where(fine, fall, 1.0), jnp.nan)


def _with(game: QuasiPublicGood, **fields: ArrayLike) -> QuasiPublicGood:
    names = tuple(fields)
    old = tuple(getattr(game, name) for name in names)
    new = (jnp.asarray(fields[name], value.dtype) for name, value in zip(names, old, strict=True))
    values = tuple(jnp.broadcast_to(value, before.shape) for value, before in zip(new, old, strict=True))
    return eqx.tree_at(lambda g: tuple(getattr(g, name) for name in names), game, values)
