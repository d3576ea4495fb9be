"""A language model as a quasi-public good: quality, access and who gets it, when the model is closed, open or planned.

A formalization of its own in which claims of the abstract of Zhang and Zhang (2025, arXiv 2509.13265), who look at
language models as quasi-public goods, can be examined; it is made from the abstract alone and replicates nothing.

Primitives. Groups k of users have masses mu_k (sum 1) and needs y_k, mean ybar and variance sigma^2; n developers offer
models with substitutability d; D = (1 + d (n - 1))/n. A member of group k has the utility

    sum_i y_k A_i q_ik - (1/2) sum_i q_ik^2 - d sum_{i<j} q_ik q_jk + eta N Q_k - P_k Q_k,     eta = xi - rho/kappa,

N all usage, xi the network externality, rho/kappa congestion of the compute capacity. A use costs m in resources and is
worth eps to non-users. Developer i invests a_i at cost c a_i^2/2.

Regimes. `openness` theta in [0, 1] is the part of a model's life in which it is open (delayed release in between):

* closed (excludable), theta = 0: quality A_i = A0 + a_i + omega sum_{j != i} a_j, then Cournot competition in access
  (`_access_stage`). With all groups served N_C = (ybar A - m)/Delta, Delta = D - eta + (1 - eta)/n, at the price p_C
  = m + (1 - eta) N_C/n, and a = ybar f N_C/(n c), f = 2 (1 - eta)[1 - be (1 + omega (n - 1))/(al + n be)]/al, al = 2 -
  eta - d, be = d - eta, if investment is seen before access is sold (`QuasiPublicGood`), and f = 1 if not
  (`SimultaneousQuasiPublicGood`).
* open (non-excludable), theta = 1: quality is pooled, A = A0 + sum_j a_j; users host models themselves at the cost h_k
  >= m, on the mean h, and use N_O = (ybar A - h)/(D - eta). `hosting_cost` is one number for all or one by group; with
  a `hosting_gradient` varsigma (ybar - y_k) is added. Developers share the revenue b N from complements, so that a = b
  ybar/(n c (D - eta)).
* between them, an access price: a regulated `access_fee` F per use of the pooled models, which users pay to developers.
  N_O = (ybar A - h - F)/(D - eta) and a = (b + F) ybar/(n c (D - eta)): less use of more quality.
* planned (`PlannedGood`): one who chooses quality and everybody's usage for welfare.

Open developers beside closed ones are in `mixed_openness`, time in `innovation_paths`, several equilibria of a network
in `network_adoption`, the choice of capacity in `compute_capacity`, a smooth version in `logit_access`.

Policies are parameters: a subsidy (vouchers) tau per use, the state's part g of the cost of investment and s of the
premium h_k - m of hosting, and the cost chi of a unit of public money; a mandate is theta = 1. See `access_policies`.

Some groups may be excluded: the formulas above hold for those served, 1/M and their mean need in the place of 1 and
ybar. Open and planned usage is continuous where a group drops out; a closed market's is not, as a developer who keeps a
group with next to no usage gains by a price for the others only. Both can be equilibria; the one that serves more is
played. Close to the jump the game of investment may have no equilibrium in pure strategies (status `cycling`).

Conditions. eta < D, else usage has no bound; eta < D/2 for a planner; Delta > phi ybar, phi = ybar f (1 + omega (n -
1))/(n c), and 2 (1 - eta)(ybar G)^2 < c, G = f/(2 (1 - eta)), for a closed market. Where they fail bounds are NaN
(status `invalid_bounds`) and so are closed forms; where only the planner's fail, the losses are NaN.

What is derived and what is built in:

* At a given quality closed access is used too little (eps, eta >= 0), open access too little or too much (h against m -
  eps - eta N): derived.
* That an open model is a better or a worse incentive: the pool (omega < 1) and the revenue from complements b are
  assumed; which side wins depends on them and on c (one developer, one group, need 1, A0 = 1, eta = m = h = eps = 0:
  opening without revenue, b = 0, beats monopoly iff c > (3 + sqrt 5)/2).
* At equal quality open access is the more equal one iff h + F - tau is below the price that users pay of closed models
  (without a subsidy h + F < p_C), if hosting costs all the same, unsupported: derived. Who hosts at what cost is
  assumed, and decides it where costs differ.
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Profile

from ._access_report import access_equity, first_best, publicness
from ._access_stage import Access, access_prices, access_stage, serving
from ._investment import most_access, most_investment
from ._largest import largest
from ._release import Release
from ._user_groups import FixedCapacity


class QuasiPublicGood(Release):
    """Developers invest in quality; then access is sold while the models are closed, and free when they are open.

    Firms "developer 1", ...; strategy "investment". Payoff (1 - theta) pi_i + theta (b + F) N_O/n - (1 - g) c a_i^2/2,
    pi_i the profit in the Cournot equilibrium of access. See the module; with everybody served the equilibrium is
    `delayed_release_investment`.

    >>> from nashgrid.solver import Newton, solve
    >>> games = [QuasiPublicGood(openness=theta) for theta in (0.0, 1.0)]
    >>> found = [solve(g, Newton(), tol=1e-4, certify=False) for g in games]  # quicker, no search for deviations
    >>> [round(float(eq.outcomes["welfare"]), 4) for eq in found]
    [0.8531, 0.9469]
    """

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        """Twice what a best response can be while all sets of groups keep buying; NaN where the conditions fail."""
        return {"investment": (0.0, most_investment(self, seen=True))}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        a = s["investment"]
        access = self.access(a)
        margin = 1.0 / access.reach - self.users().network
        return self.own_payoff(a, margin * jnp.square(access.quantity))

    def access(self, investment: Float[Array, " firm"]) -> Access:
        """The equilibrium of access while the models are closed."""
        return access_stage(self.users(), self.substitutability, self.closed_quality(investment), self.closed_cost())

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Averages over a model's life: quality, what of it came from other developers' investments
        ("knowledge_diffusion", [(1 - theta) omega + theta] (n - 1) a), usage by group and in total, the price that
        users pay (before they are weighted by usage), who gains (consumers, developers, buyers of complements,
        non-users, taxpayers), public outlay, welfare, static and dynamic loss, and the measures of `access_equity` and
        `publicness`. What spills over in time is measured by `spillover_channels`."""
        access = self.access(s["investment"])
        margin = 1.0 / access.reach - self.users().network
        return self.report(s["investment"], access, self.closed_cost() + margin * access.quantity)


class SimultaneousQuasiPublicGood(Release):
    """The same, with access quantities chosen together with investment: nobody's investment is seen before.

    Strategies "investment" and "access", q_i. Payoff as in `QuasiPublicGood`, pi_i = (p_i - m + tau) q_i at the highest
    price at which the neediest groups, all of them or a few, demand the quantities.
    """

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        """Twice what best responses can be while all sets of groups keep buying; NaN where the conditions fail."""
        most = most_investment(self, seen=False)
        return {"investment": (0.0, most), "access": (0.0, most_access(self, most))}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        profit = (self._prices(s) - self.closed_cost()) * s["access"]
        return self.own_payoff(s["investment"], profit)

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """As in `QuasiPublicGood`."""
        users, quality = self.users(), self.closed_quality(s["investment"])
        prices = access_prices(users, self.substitutability, quality, s["access"])
        sold = jnp.broadcast_to(s["access"][None, :], prices.shape)
        return self.report(s["investment"], serving(users, jnp.mean(prices, axis=1), sold), largest(prices))

    def _prices(self, s: Profile) -> Float[Array, " firm"]:
        quality = self.closed_quality(s["investment"])
        return largest(access_prices(self.users(), self.substitutability, quality, s["access"]))


class PlannedGood(FixedCapacity):
    """A planner chooses quality and everybody's usage for welfare.

    One firm, "planner"; strategies "quality", of shape (1,), the developers' investments pooled in equal parts, and
    "usage" by group. Payoff W = sum_k mu_k (y_k A Q_k - D Q_k^2/2) + eta N^2 + (eps - m) N - c (A - A0)^2/(2 n). The
    equilibrium is `first_best`; prices m - eps - eta N (Pigou) would bring it about.

    >>> from nashgrid.games import planned_equilibrium
    >>> round(float(planned_equilibrium(PlannedGood()).welfare), 4)
    2.0871
    """

    @property
    def firms(self) -> tuple[str, ...]:
        return ("planner",)

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"quality": ("pool",), "usage": ("group",)}

    def owners(self) -> dict[str, tuple[int, ...]]:
        return {"quality": (0,), "usage": (0,) * self.mass.shape[-1]}

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        """Twice the optimum and the base quality; NaN where there is no optimum."""
        best = first_best(self, self.users())
        return {
            "quality": (self.base_quality, 2.0 * best.quality),
            "usage": (0.0, 2.0 * largest(best.usage) + self.base_quality),
        }

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        quality, usage = s["quality"][0], s["usage"]
        cost = self.investment_cost * jnp.square(quality - self.base_quality) / (2.0 * self.developers)
        total = jnp.sum(self.mass * usage)
        return (self.users().benefit(quality, usage) + (self.spillover - self.resource_cost) * total - cost)[None]

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Total usage, the price that brings it about, welfare, and what `access_equity` and `publicness` measure."""
        users, usage = self.users(), s["usage"]
        total = jnp.sum(self.mass * usage)
        return {
            "total_usage": total,
            "price": self.resource_cost - self.spillover - users.network * total,
            "welfare": self.payoff(s)[0],
            **access_equity(usage, self.mass),
            **publicness(self, users, s["quality"][0], users.benefit(s["quality"][0], usage), total),
        }
