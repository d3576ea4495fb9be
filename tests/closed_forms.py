"""Games with known equilibria: what every method of the solver is run over.

`CASES` are games of simultaneous play, each with an exact equilibrium: interior, at corners, and some at which
undamped best responses diverge (`unstable`). Games with several equilibria are in `several`. Those that are in
`nashgrid.games` are given by numbers or formulas written here again, in NumPy, not by the closed forms of the library.
Numbers with many digits are roots of first-order conditions, polished by Newton's method outside of the library, of
published examples.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from nashgrid.games import (
    IsoelasticCournot,
    LinearCournot,
    LinearValueOpenSourcing,
    LogitBertrand,
    LogitMerger,
    OpenSourcing,
    ResearchInputSpillovers,
    ResearchSpillovers,
    SimultaneousOpenSourcing,
    SinghVivesBertrand,
    SinghVivesCournot,
    StackelbergFollowers,
    commitment,
    stackelberg,
)
from nashgrid.solver import Game, parameter
from tests.textbook import TEXTBOOK
from tests.textbook_conflict import CONFLICT
from tests.textbook_markets import MARKETS


@dataclasses.dataclass(frozen=True)
class Case:
    """A problem and its exact equilibrium."""

    name: str
    problem: Any
    strategy: dict[str, np.ndarray]
    payoff: np.ndarray | None = None
    unstable: bool = False


class Box(Game):
    """Two firms in a box that reaches below zero: profit x_i (16 - x_1 - x_2)."""

    demand: Float[Array, ""] = parameter(16.0)
    firms = ("A", "B")

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"x": (-10.0, 10.0)}

    def payoff(self, s):
        return s["x"] * (self.demand - jnp.sum(s["x"]))


class MurphySheraliSoyster(Game):
    """Five firms with isoelastic demand and convex power costs (1982, Mathematical Programming 24)."""

    cost: Float[Array, " firm"] = parameter((10.0, 8.0, 6.0, 4.0, 2.0))
    exponent: Float[Array, " firm"] = parameter((1.2, 1.1, 1.0, 0.9, 0.8))
    firms = ("1", "2", "3", "4", "5")

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"q": (1e-3, 500.0)}

    def payoff(self, s):
        q, b = s["q"], self.exponent
        price = jnp.power(5000.0 / jnp.sum(q), 1.0 / 1.1)
        cost = self.cost * q + b / (1.0 + b) * jnp.power(5.0, -1.0 / b) * jnp.power(q, (1.0 + b) / b)
        return price * q - cost


class PrivateProvision(Game):
    """Private provision of a public good (Bergstrom, Blume and Varian, 1986, J. Public Economics 29)."""

    wealth: Float[Array, " firm"] = parameter((3.0, 2.0, 1.0))
    taste: Float[Array, ""] = parameter(0.5)
    firms = ("rich", "middle", "poor")

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"gift": (0.0, 0.999 * self.wealth)}

    def payoff(self, s):
        total = jnp.maximum(jnp.sum(s["gift"]), 1e-6)
        return jnp.power(self.wealth - s["gift"], 1.0 - self.taste) * jnp.power(total, self.taste)


class Tullock(Game):
    """Rent-seeking contest V_i x_i / sum x - x_i (Tullock, 1980)."""

    prize: Float[Array, " firm"] = parameter((1.0, 1.0, 1.0))

    @property
    def firms(self):
        return tuple(f"contestant {i}" for i in range(self.prize.shape[-1]))

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"effort": (1e-6, self.prize)}

    def payoff(self, s):
        return self.prize * s["effort"] / jnp.sum(s["effort"]) - s["effort"]


class MixedOligopoly(Game):
    """A public firm that maximizes welfare among private ones (De Fraja and Delbono, 1989, Oxford Economic
    Papers 41).

    P = a - Q, cost k q^2/2.
    """

    intercept: Float[Array, ""] = parameter(10.0)
    slope: Float[Array, ""] = parameter(1.0)
    firms = ("public", "private 1", "private 2", "private 3")

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"q": (0.0, self.intercept)}

    def payoff(self, s):
        q = s["q"]
        total = jnp.sum(q)
        cost = self.slope * jnp.square(q) / 2.0
        welfare = self.intercept * total - jnp.square(total) / 2.0 - jnp.sum(cost)
        return jnp.concatenate([welfare[None], ((self.intercept - total) * q - cost)[1:]])


class Network(Game):
    """Peer effects on a network (Ballester, Calvo-Armengol and Zenou, 2006, Econometrica 74).

    x_i - x_i^2/2 + phi sum_j G_ij x_i x_j, on a star.
    """

    strength: Float[Array, ""] = parameter(0.2)
    firms = ("centre", "1", "2", "3")

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"x": (0.0, 50.0)}

    def payoff(self, s):
        x = s["x"]
        peers = jnp.concatenate([jnp.sum(x[1:])[None], jnp.broadcast_to(x[0], (3,))])
        return x - jnp.square(x) / 2.0 + self.strength * x * peers


def _cournot(name: str, cost: tuple[float, ...], quantity: np.ndarray, unstable: bool = False) -> Case:
    price = 10.0 - np.sum(quantity)
    profit = (price - np.asarray(cost)) * quantity
    return Case(name, LinearCournot(cost=cost), {"quantity": np.asarray(quantity, float)}, profit, unstable)


def _aspremont_jacquemin(name: str, spillover: float, weight: float, joint: float) -> Case:
    x = 8.0 * weight / (18.0 - weight * (1.0 + spillover))
    q = (8.0 + (1.0 + spillover) * x) / 3.0
    profit = (q**2 - 2.0 * x**2) * (1.0 + joint)
    game = ResearchSpillovers(spillover=spillover, joint=joint)
    return Case(name, game, {"research": np.full(2, x)}, np.full(2, profit))


def _linear_value(share: float, openness: float) -> Case:
    outside = 0.9 * (0.5 + 0.5 * openness) * (1 - share) / 4
    game = LinearValueOpenSourcing(owner_share=share, openness=openness)
    return Case(f"open_sourcing_linear_{openness}", game, {"research": np.r_[0.9 * share, np.full(4, outside)]})


def _without_competition(openness: float, owner: float, outside: float) -> Case:
    game = OpenSourcing(openness=openness, competition=0.0)
    return Case(f"open_sourcing_{openness}", game, {"research": np.r_[owner, np.full(8, outside)]})


def _complementary_ideas() -> Case:
    # d = 0: two linear equations; n equal ideas at rho = 1/2 are worth n^2 times one.
    theta, n, s, m, psi = 1.0, 3, 0.4, 0.2, 1.0
    matrix = np.array(
        [
            [2.0 - 0.9 * s, -0.9 * s * 0.6 * theta * n**2],
            [-0.9 * m * 0.2 * theta, 2.0 / psi - 0.9 * m * (1 + 0.2 * theta * (n - 1))],
        ]
    )
    owner, outside = np.linalg.solve(matrix, [0.9 * s, 0.9 * m])
    game = OpenSourcing(openness=theta, competition=0.0, idea_substitution=0.5, outsiders=n)
    return Case("open_sourcing_complements", game, {"research": np.r_[owner, np.full(n, outside)]})


def _simultaneous_openness() -> Case:
    openness = 0.25673249551166966
    research = np.r_[0.45, np.full(4, 0.9 * (0.5 + 0.5 * openness) * 0.5 / 4)]
    game = SimultaneousOpenSourcing(owner_share=0.5, edge=0.05, opening_cost=0.0, openness_curvature=0.2)
    return Case("open_sourcing_simultaneous", game, {"research": research, "openness": np.array([openness])})


_UNSTABLE_RESEARCH = 0.7883817427385892
_MERGED = np.array([1.6257022511956936, 1.6257022511956936, 1.3428944539076528])

CASES = [
    _cournot("cournot_duopoly", (1.0, 2.0), np.array([10.0, 7.0]) / 3),
    _cournot("cournot_three", (1.0, 2.0, 3.0), np.array([3.0, 2.0, 1.0]), unstable=True),
    _cournot("cournot_inactive", (1.0, 1.0, 6.0), np.array([3.0, 3.0, 0.0])),
    _cournot("cournot_five", (1.0,) * 5, np.full(5, 1.5), unstable=True),
    _cournot("cournot_twenty", (1.0,) * 20, np.full(20, 9 / 21), unstable=True),
    _cournot("cournot_five_inactive", (1.0, 1.0, 1.0, 9.0, 9.5), np.array([2.25, 2.25, 2.25, 0, 0]), unstable=True),
    Case(
        "cournot_isoelastic",
        IsoelasticCournot(),
        {"quantity": np.array([0.83956760353566, 0.6887964311630006])},
    ),
    Case(
        "stackelberg_followers",
        StackelbergFollowers(leader_quantity=6.0, cost=(1.0, 1.0)),
        {"quantity": np.array([2.0, 2.0])},
        np.array([4.0, 4.0]),
    ),
    Case("singh_vives_cournot", SinghVivesCournot(), {"quantity": np.full(2, 0.4)}, np.full(2, 0.16)),
    Case(
        "singh_vives_cournot_inactive",
        SinghVivesCournot(value=(1.0, 0.3), substitutability=0.8),
        {"quantity": np.array([0.5, 0.0])},
        np.array([0.25, 0.0]),
    ),
    Case("singh_vives_bertrand", SinghVivesBertrand(), {"price": np.full(2, 1 / 3)}, np.full(2, 4 / 27)),
    Case(
        "singh_vives_bertrand_asymmetric",
        SinghVivesBertrand(value=(1.2, 1.0), cost=(0.1, 0.2)),
        {"price": np.array([0.1, 0.2]) + (1.75 * np.array([1.1, 0.8]) - 0.5 * np.array([0.8, 1.1])) / 3.75},
    ),
    Case(
        "logit_monopoly",
        LogitBertrand(quality=(2.0,), cost=(0.5,), owner=("A",)),
        {"price": np.array([2.26624860816175])},
    ),
    Case("logit_three", LogitBertrand(), {"price": np.full(3, 1.2986789368322005)}),
    Case("logit_merged", LogitBertrand().merge("A", "B"), {"price": _MERGED}),
    Case("logit_internalized", LogitMerger(profit_weight=1.0), {"price": _MERGED}),
    Case(
        "logit_three_asymmetric",
        LogitBertrand(quality=(0.81, 0.93, 0.82), cost=(0.05, 0.31, 0.3), price_coefficient=0.9),
        {"price": np.array([1.4823632582601096, 1.7095773968264414, 1.6731016063818585])},
    ),
    _aspremont_jacquemin("research_small_spillover", 0.2, 1.8, 0.0),
    _aspremont_jacquemin("research_large_spillover", 0.8, 1.2, 0.0),
    _aspremont_jacquemin("research_cartel", 0.8, 1.8, 1.0),
    Case(
        "research_unstable",
        ResearchSpillovers(intercept=2.0, cost=(1.0, 1.0), research_cost=1.0, spillover=0.1),
        {"research": np.full(2, _UNSTABLE_RESEARCH)},
        unstable=True,
    ),
    Case("research_inputs", ResearchInputSpillovers(), {"expense": np.full(2, 2.0 * (12.8 / 16.4) ** 2 / 1.4)}),
    _linear_value(0.5, 0.0),
    _linear_value(0.5, 1.0),
    _simultaneous_openness(),
    _without_competition(0.0, 0.21951219512195125, 0.016649713922441196),
    _without_competition(0.5, 0.23356364772697005, 0.02667173874100789),
    _without_competition(1.0, 0.26022135799761426, 0.03863601106255049),
    _complementary_ideas(),
    Case("box", Box(), {"x": np.full(2, 16 / 3)}),
    Case(
        "murphy_sherali_soyster",
        MurphySheraliSoyster(),
        {
            "q": np.array(
                [
                    36.93251081573577,
                    41.818141660437625,
                    43.706578522274214,
                    42.659239743305115,
                    39.178952516625024,
                ]
            )
        },
    ),
    Case("private_provision", PrivateProvision(), {"gift": np.array([4 / 3, 1 / 3, 0.0])}),
    Case("tullock", Tullock(), {"effort": np.full(3, 2 / 9)}),
    Case("tullock_asymmetric", Tullock(prize=(3.0, 1.0)), {"effort": np.array([9 / 16, 3 / 16])}),
    Case("mixed_oligopoly", MixedOligopoly(), {"q": np.array([20.0, 10, 10, 10]) / 7}, unstable=True),
    Case("network_star", Network(), {"x": np.array([20.0, 15.0, 15.0, 15.0]) / 11}),
    *(
        Case(name, game, {k: np.asarray(v) for k, v in strategy.items()})
        for name, game, strategy in (*TEXTBOOK, *MARKETS, *CONFLICT)
    ),
]


SEQUENTIAL = [
    Case(
        "stackelberg_two_followers",
        stackelberg(StackelbergFollowers(intercept=10.0, leader_cost=1.0, cost=(2.0, 2.0))),
        {"leader_quantity": np.array(5.5)},
        np.array([121 / 12]),
    ),
    Case(
        "commitment_oligopoly",
        commitment(OpenSourcing(competition=0.0)),
        {"openness": np.array(1.0)},
        np.array([0.13424007563794568]),
    ),
]
"""Games of sequential play: the choice of the leader, and its payoff."""


def largest_gain(game: Game, strategy: dict[str, np.ndarray]) -> float:
    """The largest gain any firm gets by a deviation from `strategy`, by trying many: along each of its
    strategies, a fine grid and a ladder of small steps, and for several strategies random points in the box
    and near."""
    names = list(game.bounds())
    shapes = {name: np.shape(strategy[name]) for name in names}
    z = np.concatenate([np.ravel(strategy[name]) for name in names])
    leading = {name: game.owners().get(name, np.arange(len(game.firms))) for name in names}
    owner = np.concatenate([np.repeat(leading[name], np.prod(shapes[name][1:], dtype=int)) for name in names])
    lower, upper = (
        np.concatenate([np.ravel(np.broadcast_to(b[k], shapes[name])) for name, b in game.bounds().items()])
        for k in (0, 1)
    )
    ends = np.cumsum([np.prod(shapes[name], dtype=int) for name in names])[:-1]

    def one(v):
        parts = zip(names, jnp.split(v, ends), strict=True)
        return game.payoff({name: part.reshape(shapes[name]) for name, part in parts})

    payoff = jax.jit(jax.vmap(one))
    here = np.asarray(payoff(z[None]))[0]
    rng = np.random.default_rng(0)
    best = 0.0
    ladder = np.concatenate([sign * 10.0 ** -np.arange(1, 9) for sign in (-1, 1)])
    for firm in range(len(game.firms)):
        own = np.flatnonzero(owner == firm)
        points = []
        for j in own:
            tries = np.tile(z, (2001 + len(ladder), 1))
            steps = z[j] + ladder * (upper[j] - lower[j])
            tries[:, j] = np.clip(np.r_[np.linspace(lower[j], upper[j], 2001), steps], lower[j], upper[j])
            points.append(tries)
        if len(own) > 1:
            width = (upper - lower)[own] * 10.0 ** -rng.integers(0, 5, (4000, 1))
            tries = np.tile(z, (4000, 1))
            moved = z[own] + width * rng.uniform(-1, 1, (4000, len(own)))
            tries[:, own] = np.clip(moved, lower[own], upper[own])
            points.append(tries)
        values = np.asarray(payoff(np.concatenate(points)))[:, firm]
        assert np.all(np.isfinite(values))
        best = max(best, float(np.max(values) - here[firm]))
    return best
