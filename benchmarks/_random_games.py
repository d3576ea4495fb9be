"""Random games by the thousand, most of them not concave and many without any pure equilibrium.

A family is a class of games with a leading axis on every field. What is drawn depends on the seed and on the number of
the game alone, so that any one of them can be made again.
"""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nashgrid.solver import Game, parameter

WIDTH = 2.0
"""Every strategy is from 0 to this."""


class _Random(Game):
    """Two firms with `own` strategies each; what they get is a sum over `term`."""

    height: Float[Array, "2 term"] = parameter()
    by_own: Float[Array, "2 term own"] = parameter()
    by_other: Float[Array, "2 term own"] = parameter()
    shift: Float[Array, "2 term"] = parameter()
    slope: Float[Array, "2 own"] = parameter()
    own: int = eqx.field(static=True, default=1)
    firms = ("A", "B")

    def owners(self):
        return {"x": tuple(np.repeat((0, 1), self.own).tolist())}

    def bounds(self):
        return {"x": (0.0, WIDTH)}

    def both(self, s):
        """Own and the other's strategies, by firm."""
        x = s["x"].reshape(2, self.own)
        return x, x[::-1]

    def edges(self, s) -> Float[Array, "2 edge"]:
        """Own strategies, by firm, at which the payoff has a kink or jumps, given the other's."""
        return jnp.zeros((2, 0), s["x"].dtype)


class Waves(_Random):
    """Sums of sine waves in all strategies, with a slight own concavity."""

    def payoff(self, s):
        own, other = self.both(s)
        phase = jnp.sum(self.by_own * own[:, None, :] + self.by_other * other[:, None, :], axis=2) + self.shift
        waves = jnp.sum(self.height * jnp.sin(phase), axis=1)
        return waves + jnp.sum(self.slope * own - 0.3 * jnp.square(own), axis=1)


class Cliffs(Waves):
    """Waves, and at places that the other's strategy moves about the payoff jumps, up or down."""

    def payoff(self, s):
        own, _ = self.both(s)
        below = own < self.edges(s)
        return super().payoff(s) + jnp.sum(jnp.where(below, 0.5 * self.slope, 0.0) * self.height, axis=1)

    def edges(self, s):
        _, other = self.both(s)
        return 1.0 + 0.8 * jnp.sin(2.0 * self.shift + self.by_other[:, :, 0] * other)


class Roofs(Cliffs):
    """Straight lines that meet in kinks, most of them upwards, which the other's strategy moves about."""

    def payoff(self, s):
        own, _ = self.both(s)
        bend = jnp.array([2.0, 0.5, -0.2]) * jnp.abs(self.height)
        return self.slope[:, 0] * own[:, 0] - jnp.sum(bend * jnp.abs(own - self.edges(s)), axis=1)


class Hills(_Random):
    """Bell-shaped hills, between a fifth and a half of the bounds wide, which the other's strategies move about."""

    def payoff(self, s):
        own, other = self.both(s)
        top = 1.0 + 0.1 * self.by_own + 0.1 * self.by_other * other[:, None, :]
        width = 0.15 + 0.1 * jnp.abs(self.shift)
        away = jnp.sum(jnp.square(own[:, None, :] - top), axis=2) / (2.0 * jnp.square(width))
        return jnp.sum(self.height * jnp.exp(-away), axis=1) + 0.1 * jnp.sum(self.slope * own, axis=1)


class Constructed(Game):
    """Three firms with quadratic payoffs made so that a given profile is the only equilibrium, at corners or inside.

    Own curvature outweighs all effects of the others, so that the equilibrium is unique; where the profile is at a
    bound the payoff rises towards it.
    """

    effects: Float[Array, "3 3"] = parameter()
    profile: Float[Array, "3"] = parameter()
    push: Float[Array, "3"] = parameter()
    firms = ("A", "B", "C")

    def bounds(self):
        return {"x": (0.0, WIDTH)}

    def payoff(self, s):
        x = s["x"]
        others = self.effects - jnp.diag(jnp.diag(self.effects))
        curvature = 1.0 + jnp.sum(jnp.abs(others), axis=1)
        inside = (self.profile > 0.0) & (self.profile < WIDTH)
        outward = jnp.where(inside, 0.0, jnp.where(self.profile > 0.0, 1.0, -1.0) * jnp.abs(self.push))
        at = curvature * self.profile - jnp.sum(others * self.profile[None, :], axis=1) + outward
        return at * x - curvature * jnp.square(x) / 2.0 + x * jnp.sum(others * x[None, :], axis=1)


@dataclasses.dataclass(frozen=True)
class Family:
    """A kind of random game, and how many of them are drawn."""

    name: str
    what: str
    games: int
    draw: Callable[[np.random.Generator, int], Game]
    dtype: type = np.float64


def _two_firms(kind: type, terms: int, own: int, pace: float) -> Callable[[np.random.Generator, int], Game]:
    def draw(rng: np.random.Generator, count: int) -> Game:
        return kind(
            height=rng.normal(size=(count, 2, terms)),
            by_own=pace * rng.normal(size=(count, 2, terms, own)),
            by_other=0.7 * pace * rng.normal(size=(count, 2, terms, own)),
            shift=rng.uniform(-3.0, 3.0, (count, 2, terms)),
            slope=0.5 * rng.normal(size=(count, 2, own)),
            own=own,
        )

    return draw


def _constructed(rng: np.random.Generator, count: int) -> Game:
    profile = np.clip(rng.uniform(-0.5, WIDTH + 0.5, (count, 3)), 0.0, WIDTH)
    return Constructed(effects=rng.normal(size=(count, 3, 3)), profile=profile, push=rng.uniform(0.1, 1, (count, 3)))


FAMILIES = (
    Family("constructed", "3 firms, quadratic, known unique equilibrium, corners", 300_000, _constructed),
    Family("waves", "2 firms, 2 sine waves each", 400_000, _two_firms(Waves, 2, 1, 2.0)),
    Family("fast_waves", "2 firms, 4 sine waves each", 100_000, _two_firms(Waves, 4, 1, 3.0)),
    Family("hills", "2 firms, 4 hills each", 150_000, _two_firms(Hills, 4, 1, 3.0)),
    Family("waves_float32", "2 firms, 2 sine waves each, float32", 50_000, _two_firms(Waves, 2, 1, 2.0), np.float32),
    Family("cliffs", "2 firms, 2 sine waves and 2 jumps each", 10_000, _two_firms(Cliffs, 2, 1, 2.0)),
    Family("roofs", "2 firms, 3 kinks each between straight lines", 10_000, _two_firms(Roofs, 3, 1, 1.0)),
    Family("hills_two", "2 firms with 2 strategies, 4 hills each", 5_000, _two_firms(Hills, 4, 2, 3.0)),
    Family("waves_two", "2 firms with 2 strategies, 3 sine waves each", 5_000, _two_firms(Waves, 3, 2, 2.0)),
)
