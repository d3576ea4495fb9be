"""A public firm among private ones, in quantities and in prices: which competition is better, and for whom?

The differentiated goods of `singh_vives`, with the first of N = n + 1 firms public: it maximizes lambda W + (1 -
lambda) pi_0, W welfare, lambda = 1 if it is the state's and less if it is partly private (Matsumura, 1998, Journal of
Public Economics 70); private firms maximize profit. Prices against quantities in such a market are compared by
Haraguchi and Matsumura (2016, Cournot-Bertrand comparison in a mixed oligopoly, Journal of Economics 117), whose
abstract says that prices give higher welfare whatever the number of firms, and private firms higher profits in a
duopoly, while quantities can give them higher profits if there are five private firms or more.

With a_i = alpha_i - c_i, all private firms alike and everybody selling, in quantities

    private:  [2 - gamma + gamma n] q + gamma q_0 = a,              public:  (2 - lambda) q_0 + gamma n q = a_0,

and in prices, x_i = p_i - c_i, with demand q_i = B (a_i - x_i) - G sum_{j != i} (a_j - x_j), B and G as in
`singh_vives_demand`,

    private:  q = B x,              public:  (1 - lambda)(q_0 - B x_0) + lambda (G n x - B x_0) = 0.

A public firm that sets its price keeps it above its cost: a use more of its good is one less of the others', whose
prices are above theirs. Derived, for constant costs and linear demand: all three statements of that abstract at equal
costs and lambda = 1, as the closed forms show; with a public firm of higher costs or partly private see the atlas of
claims. Not modelled: why the public firm's costs are what they are, entry, and the choice of price or quantity.
"""

import abc

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Profile, parameter

from ._measures import firm_names
from .singh_vives import SinghVivesBertrand, SinghVivesCournot

_VALUE, _COST = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)


class _MixedMarket(Game):
    """A market of `singh_vives` whose first firm is public. Abstract: `_market` says which."""

    value: Float[Array, " firm"] = parameter(_VALUE, "alpha > 0: price at which nothing of a good is bought")
    cost: Float[Array, " firm"] = parameter(_COST, "c >= 0: marginal cost by firm, price units, the public one first")
    substitutability: Float[Array, ""] = parameter(
        0.5, "gamma in [0, 1], below 1 in prices: 0 independent goods, 1 the same good"
    )
    welfare_weight: Float[Array, ""] = parameter(1.0, "lambda in [0, 1]: weight of welfare for the public firm")

    @abc.abstractmethod
    def _market(self) -> SinghVivesCournot | SinghVivesBertrand:
        """The same firms, all of them private."""

    @property
    def firms(self) -> tuple[str, ...]:
        return ("public", *firm_names(self.value.shape[-1] - 1, "private"))

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        """Those of `singh_vives`."""
        return self._market().bounds()

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        market, lam = self._market(), self.welfare_weight
        profit = market.payoff(s)
        public = lam * market.outcomes(s)["welfare"] + (1.0 - lam) * profit[0]
        return jnp.concatenate([public[None], profit[1:]])

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Profits and the outcomes of `singh_vives`: what firms did not choose of prices and quantities, consumer
        surplus, welfare and the Herfindahl index of quantities."""
        market = self._market()
        return {"profit": market.payoff(s), **market.outcomes(s)}


class MixedCournot(_MixedMarket):
    """Quantities of one public firm and n private ones, each from 0 to alpha.

    Firms "public", "private 1", ...; strategy "quantity". The number of firms is the length of `value`.

    >>> from nashgrid.solver import solve
    >>> duopoly = MixedCournot(value=(1.0, 1.0), cost=(0.0, 0.0))
    >>> [round(float(q), 4) for q in solve(duopoly, tol=1e-4).strategy["quantity"]]
    [0.8571, 0.2857]
    """

    def _market(self) -> SinghVivesCournot:
        return SinghVivesCournot(value=self.value, cost=self.cost, substitutability=self.substitutability)


class MixedBertrand(_MixedMarket):
    """Prices of one public firm and n private ones, each between cost and alpha.

    >>> from nashgrid.solver import solve
    >>> duopoly = MixedBertrand(value=(1.0, 1.0), cost=(0.0, 0.0))
    >>> [round(float(p), 4) for p in solve(duopoly, tol=1e-4).strategy["price"]]
    [0.1429, 0.2857]
    """

    def _market(self) -> SinghVivesBertrand:
        return SinghVivesBertrand(value=self.value, cost=self.cost, substitutability=self.substitutability)


def mixed_cournot_equilibrium(game: MixedCournot) -> Float[Array, " firm"]:
    """Quantities where all private firms are alike and everybody sells; NaN where somebody would not."""
    n, gamma, weight = len(game.firms) - 1, game.substitutability, game.welfare_weight
    net = game.value - game.cost
    first, each = net[0], net[1]
    own = 2.0 - gamma + gamma * n
    determinant = (2.0 - weight) * own - jnp.square(gamma) * n
    q = ((2.0 - weight) * each - gamma * first) / determinant
    return _everybody((own * first - gamma * n * each) / determinant, q, n)


def mixed_bertrand_equilibrium(game: MixedBertrand) -> Float[Array, " firm"]:
    """Prices where all private firms are alike and everybody sells; NaN where somebody would not."""
    n, gamma, weight = len(game.firms) - 1, game.substitutability, game.welfare_weight
    net = game.value - game.cost
    first, each = net[0], net[1]
    # Demand times (1 - gamma)(1 + gamma n).
    b, g = 1.0 + gamma * (n - 1), gamma
    # The public firm: x_0 = u + r x; a private one: own x = fixed + g x_0.
    u = (1.0 - weight) * (first - g * n * each / b) / (2.0 - weight)
    r = g * n / (b * (2.0 - weight))
    own, fixed = 2.0 * b - g * (n - 1), (b - g * (n - 1)) * each - g * first
    x = (fixed + g * u) / (own - g * r)
    x_0 = u + r * x
    sold = b * (first - x_0) - g * n * (each - x)
    prices = game.cost + _everybody(x_0, x, n)
    return jnp.where((sold > 0.0) & (x > 0.0), prices, jnp.nan)


def _everybody(first: Float[Array, ""], each: Float[Array, ""], n: int) -> Float[Array, " firm"]:
    every = jnp.concatenate([first[None], jnp.broadcast_to(each, (n,))])
    return jnp.where((first >= 0.0) & (each > 0.0), every, jnp.nan)
