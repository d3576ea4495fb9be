"""Price competition of multi-product firms under logit demand, and mergers.

Consumers choose one of J products or none (McFadden, 1974, in Frontiers in Econometrics). Mean utility of
product j is u_j = delta_j - alpha p_j, of the outside good 0, and the market has mass 1:

    s_j = exp(u_j) / (1 + sum_k exp(u_k)).

Firms set the prices of their products at once (Anderson and de Palma, 1992, Oxford Economic Papers 44; Caplin
and Nalebuff, 1991, Econometrica 59, for existence). A firm that counts the shares o_fj of the products'
profits maximizes sum_j o_fj (p_j - c_j) s_j: o is the ownership matrix of merger simulation (Nevo, 2000, RAND
Journal of Economics 31), with ones for own products, and anything between 0 and 1 for partial ownership or
partial conduct (O'Brien and Salop, 2000, Antitrust Law Journal 67). In equilibrium a single-product firm has
the markup 1/(alpha (1 - s_j)), and a firm that counts its own products in full the same markup 1/(alpha (1 -
sum of its shares)) on each.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from nashgrid.solver import Game, Profile, parameter

from ._lambert import lambert_w_of_exp
from ._measures import herfindahl


class LogitBertrand(Game):
    """Multi-product price competition under logit demand with an outside good.

    Payoff of firm f: sum_j o_fj (p_j - c_j) s_j(p). `owner` names the firm that sets the price of each
    product; the firms are the different names in it, in order.

    Each price lies between c_j and c_j plus twice a bound on the markup of a monopolist of all products,
    which no best response exceeds.

    Raises:
        ValueError: the lengths of `quality`, `cost`, `owner` and `ownership` do not agree.

    >>> from nashgrid.solver import solve
    >>> market = LogitBertrand(quality=(1.0, 1.0, 1.0), cost=(0.0, 0.0, 0.0), owner=("A", "B", "C"))
    >>> [round(float(p), 3) for p in solve(market, tol=1e-4).strategy["price"]]
    [1.299, 1.299, 1.299]
    >>> merged = market.merge("A", "B")
    >>> merged.firms
    ('A', 'C')
    >>> [round(float(p), 3) for p in solve(merged, tol=1e-4).strategy["price"]]
    [1.626, 1.626, 1.343]
    """

    quality: Float[Array, " product"] = parameter((1.0, 1.0, 1.0), "delta: mean utility at price 0, by product")
    cost: Float[Array, " product"] = parameter((0.0, 0.0, 0.0), "c: marginal cost by product, price units")
    price_coefficient: Float[Array, ""] = parameter(1.0, "alpha > 0: fall of utility per price unit")
    ownership: Float[Array, "firm product"] = parameter(
        None, "o in [0, 1]: share of a product's profit that a firm counts; from `owner` if not given"
    )
    owner: tuple[str, ...] = eqx.field(static=True, default=("A", "B", "C"))

    def __post_init__(self) -> None:
        self.owner = tuple(self.owner)
        if self.ownership is None:
            quality = jnp.asarray(self.quality)
            real = jnp.issubdtype(quality.dtype, jnp.inexact)
            self.ownership = jnp.asarray(self._sets_price(), quality.dtype if real else jnp.result_type(float))
        shapes = {np.shape(self.quality)[-1:], np.shape(self.cost)[-1:], (len(self.owner),)}
        if len(shapes) > 1 or np.shape(self.ownership)[-2:] != (len(self.firms), len(self.owner)):
            raise ValueError(
                f"LogitBertrand: owner names {len(self.owner)} products of {len(self.firms)} firms; give "
                "quality and cost of shape (products,) and ownership of shape (firms, products), not "
                f"{np.shape(self.quality)}, {np.shape(self.cost)} and {np.shape(self.ownership)}."
            )

    @property
    def firms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.owner))

    def owners(self) -> dict[str, tuple[int, ...]]:
        return {"price": tuple(self.firms.index(name) for name in self.owner)}

    def dims(self) -> dict[str, tuple[str, ...]]:
        product = ("product",)
        return {
            "price": product,
            "share": product,
            "markup": product,
            "elasticity": ("product", "priced_product"),
        }

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        alpha = self.price_coefficient
        # W0(exp(y)) < log(1 + exp(y)) bounds the markup (1 + W0) / alpha of a monopolist of all products.
        appeal = jax.nn.logsumexp(self.quality - alpha * self.cost) - 1.0
        return {"price": (self.cost, self.cost + 2.0 * (1.0 + jax.nn.softplus(appeal)) / alpha)}

    def start(self) -> dict[str, ArrayLike]:
        """The prices of firms that are small: a markup of 1/alpha, below which no equilibrium price is."""
        return {"price": self.cost + 1.0 / self.price_coefficient}

    def shares(self, price: Float[Array, " product"]) -> Float[Array, " product"]:
        """Market shares s_j; the rest, 1 - sum_j s_j, takes the outside good."""
        utility = self.quality - self.price_coefficient * price
        return jax.nn.softmax(jnp.concatenate([jnp.zeros_like(utility[:1]), utility]))[1:]

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        profit = (s["price"] - self.cost) * self.shares(s["price"])
        return jnp.sum(self.ownership * profit[None, :], axis=1)

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Shares and markups by product; `elasticity[j, k]`, of the demand for j in the price of k; `profit`,
        each firm's from the products it prices, whatever it counts; consumer surplus log(1 + sum_j exp
        u_j)/alpha, welfare, both per consumer; and the Herfindahl index of the firms' inside sales (0 to
        1)."""
        price, alpha = s["price"], self.price_coefficient
        share = self.shares(price)
        profit = (price - self.cost) * share
        utility = self.quality - alpha * price
        surplus = jax.nn.logsumexp(jnp.concatenate([jnp.zeros_like(utility[:1]), utility])) / alpha
        sets = jnp.asarray(self._sets_price())
        return {
            "share": share,
            "markup": price - self.cost,
            "elasticity": (alpha * price)[None, :] * (share[None, :] - jnp.eye(len(self.owner), dtype=price.dtype)),
            "profit": jnp.sum(jnp.where(sets, profit[None, :], 0.0), axis=1),
            "consumer_surplus": surplus,
            "welfare": surplus + jnp.sum(profit),
            "hhi": herfindahl(jnp.sum(jnp.where(sets, share[None, :], 0.0), axis=1)),
        }

    def merge(self, a: str, b: str) -> "LogitBertrand":
        """The same market after `a` has bought `b`.

        `a` sets the prices of both and counts the sum of both rows of `ownership`, to at most 1.

        Raises:
            ValueError: `a` or `b` is not a firm, or they are the same.
        """
        buyer, target = self._pair(a, b)
        both = jnp.minimum(self.ownership[buyer] + self.ownership[target], 1.0)
        owner = tuple(a if name == b else name for name in self.owner)
        kept = tuple(dict.fromkeys(owner))
        rows = [both if name == a else self.ownership[self.firms.index(name)] for name in kept]
        return LogitBertrand(
            quality=self.quality,
            cost=self.cost,
            price_coefficient=self.price_coefficient,
            ownership=jnp.stack(rows),
            owner=owner,
        )

    def internalize(self, a: str, b: str, weight: ArrayLike) -> "LogitBertrand":
        """The same market where `a` and `b` each count a share `weight` of the other's profit.

        Each still sets its own prices. With `weight` 1 both maximize the sum of their profits: the
        first-order conditions are those of the merged firm, so that `weight` makes a merger a continuous
        parameter.

        Raises:
            ValueError: `a` or `b` is not a firm, or they are the same.
        """
        first, second = self._pair(a, b)
        sets = self._sets_price()
        across = np.zeros_like(sets)
        across[first], across[second] = sets[second], sets[first]
        given = jnp.asarray(weight, self.ownership.dtype)
        return eqx.tree_at(lambda game: game.ownership, self, jnp.where(across, given, self.ownership))

    def _pair(self, a: str, b: str) -> tuple[int, int]:
        if a == b or a not in self.firms or b not in self.firms:
            raise ValueError(f"{a!r} and {b!r} are not two of the firms {self.firms}.")
        return self.firms.index(a), self.firms.index(b)

    def _sets_price(self) -> Bool[np.ndarray, "firm product"]:
        return np.asarray(self.firms)[:, None] == np.asarray(self.owner)[None, :]


class LogitMerger(Game):
    """Two firms of a `LogitBertrand` market that internalize each other's profit.

    The continuous path from competition (0) to the prices of a merger (1): `LogitBertrand.internalize` with
    the weight as a parameter that can be swept. Payoffs are what firms maximize; `outcomes` has their own
    profits.
    """

    market: LogitBertrand = eqx.field(default_factory=LogitBertrand)
    profit_weight: Float[Array, ""] = parameter(0.0, "kappa in [0, 1]: weight on the other party's profit")
    parties: tuple[str, str] = eqx.field(static=True, default=("A", "B"))

    @property
    def firms(self) -> tuple[str, ...]:
        return self.market.firms

    def owners(self) -> dict[str, tuple[int, ...]]:
        return self.market.owners()

    def dims(self) -> dict[str, tuple[str, ...]]:
        return self.market.dims()

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return self.market.bounds()

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        return self.market.internalize(*self.parties, self.profit_weight).payoff(s)

    def outcomes(self, s: Profile) -> dict[str, Array]:
        return self.market.outcomes(s)


def logit_monopoly_price(
    quality: Float[Array, " product"], cost: Float[Array, " product"], price_coefficient: Float[Array, ""]
) -> Float[Array, " product"]:
    """Prices of a monopolist of all products.

    p_j = c_j + (1 + W0(sum_k exp(delta_k - alpha c_k - 1)))/alpha, where W0 is the principal branch of
    Lambert's function; all products have the same markup.

    Args:
        quality: delta, mean utility at price 0, by product.
        cost: c, by product, price units.
        price_coefficient: alpha > 0.

    >>> price = logit_monopoly_price(jnp.asarray([2.0]), jnp.asarray([0.5]), jnp.asarray(1.0))
    >>> round(float(price[0]), 5)
    2.26625
    """
    appeal = jax.nn.logsumexp(quality - price_coefficient * cost) - 1.0
    return cost + (1.0 + lambert_w_of_exp(appeal)) / price_coefficient


def logit_markups(
    shares: Float[Array, " product"], price_coefficient: Float[Array, ""], owner: Sequence[str]
) -> Float[Array, " product"]:
    """Markups of full owners from the market shares of an equilibrium.

    p_j - c_j = 1/(alpha (1 - sum of the owner's shares)): the inversion by which costs are inferred from
    prices and shares (Berry, 1994, RAND Journal of Economics 25).

    Args:
        shares: s, by product, with sum below 1.
        price_coefficient: alpha > 0.
        owner: the name of the firm of each product.
    """
    same = np.asarray(owner)[:, None] == np.asarray(owner)[None, :]
    own = jnp.sum(jnp.where(same, shares[None, :], 0.0), axis=1)
    return 1.0 / (price_coefficient * (1.0 - own))
