"""Where there is no pure equilibrium the status says so, and how play goes on instead.

Three duopolies in which a pure equilibrium exists in a part of the plane that is known in closed form (black line), and
the status with which each point of a sweep ends.

Left: prices up to 2 on Hotelling's line of length 1 with linear transport cost 1, firms at distances a and b from its
ends. Close together, each gains by undercutting the other altogether (d'Aspremont, Gabszewicz and Thisse 1979,
Econometrica 47): best responses go round (cycling), or there is no best one, as the payoff jumps (unattained); in the
corner the attempts are used up while prices still fall (max steps). Middle: Tullock's contest, where effort x_i wins a
prize with probability x_i^r / (x_1^r + x_2^r), and the prize is worth 1 to one firm and v to the other. Where r > 1 +
v^r the weaker firm would rather stay out (Nti 1999, Public Choice 98), and against no effort any other wins, however
small (unattained).

Right: prices after capacities at demand 1 - p and no cost, the cheaper firm serving those who value the good most
(Kreps and Scheinkman 1983, Bell Journal of Economics 14). Small capacities clear the market at p = 1 - k_1 - k_2, large
ones at p = 0; between, there is no pure equilibrium. Those that exist are at kinks of the payoffs, where no derivative
is zero: they are certified by the slopes on both sides, and their own derivatives are not known. They are found because
play starts at the price that sells the capacities out; from other starts rivals undercut each other, and the status is
unattained. Where the orange triangles are the method finds neither an equilibrium nor how play goes on.

In all three panels `successful` is exactly where an equilibrium exists.

Where an undercut pays, the prices at which it does may be very few. They are found because the search reads where the
payoff's program decides, and looks at both sides of the decision: with prices on the line up to 10 and only 16 samples
(`GlobalSearch(points=16)`) none of the 6,450 points without an equilibrium is called one. By samples alone 1,202 were,
with prices up to 4.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, ArrayLike, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from nashgrid.solver import Game, Profile, Status, parameter
from nashgrid.solver import status_map as statuses

from ._style import framed, percent, span
from ._sweeps import Sweeps

POINTS = 97


class Line(Game):
    """Prices on Hotelling's line, at linear transport cost 1 per unit of length."""

    a: Float[Array, ""] = parameter(0.25, "distance of firm A from the left end, in [0, 1/2)")
    b: Float[Array, ""] = parameter(0.25, "distance of firm B from the right end, in [0, 1/2)")
    firms = ("A", "B")

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"price": (0.0, 2.0)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        p, apart = s["price"], 1.0 - self.a - self.b
        middle = self.a + apart / 2.0 + (p[1] - p[0]) / 2.0
        left = jnp.where(p[0] + apart < p[1], 1.0, jnp.where(p[1] + apart < p[0], 0.0, middle))
        return p * jnp.stack([left, 1.0 - left])


class Contest(Game):
    """Tullock's contest for a prize of 1 to the stronger and less to the weaker."""

    value: Float[Array, ""] = parameter(1.0, "value of the prize to the weaker, in (0, 1]")
    exponent: Float[Array, ""] = parameter(1.0, "r >= 1: how decisive effort is")
    firms = ("stronger", "weaker")

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"effort": (0.0, self._values())}

    def start(self) -> dict[str, ArrayLike]:
        return {"effort": self.value / 4.0}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        effort = s["effort"]
        # At zero the second derivative of a power below 2 is infinite.
        impact = jnp.where(effort > 0.0, jnp.power(jnp.where(effort > 0.0, effort, 1.0), self.exponent), 0.0)
        total = jnp.sum(impact)
        chance = jnp.where(total > 0.0, impact / jnp.where(total > 0.0, total, 1.0), 0.5)
        return self._values() * chance - effort

    def _values(self) -> Float[Array, " firm"]:
        return jnp.stack([jnp.ones_like(self.value), self.value])


class Capacities(Game):
    """Prices after capacities: the cheaper firm sells first, to those who value the good most (efficient rationing)."""

    one: Float[Array, ""] = parameter(0.5, "capacity of firm A, above 0")
    two: Float[Array, ""] = parameter(0.5, "capacity of firm B, above 0")
    firms = ("A", "B")

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {"price": (0.0, 1.0)}

    def start(self) -> dict[str, ArrayLike]:
        return {"price": jnp.maximum(0.0, 1.0 - self.one - self.two)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        p, rival, demand = s["price"], s["price"][::-1], 1.0 - s["price"]
        own, other = jnp.stack([self.one, self.two]), jnp.stack([self.two, self.one])
        left = jnp.maximum(0.0, demand - other)
        wanted = jnp.where(p < rival, demand, jnp.where(p > rival, left, jnp.maximum(demand / 2.0, left)))
        return p * jnp.minimum(own, wanted)


class Panel(NamedTuple):
    """A game over two of its parameters, each from a lowest to a highest value."""

    title: str
    game: Callable[[], Game]
    axes: dict[str, tuple[float, float]]
    labels: tuple[str, str]
    margin: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """At least 0 where a pure equilibrium exists, below 0 where none does; closed form."""
    notes: dict[str, tuple[float, float]]
    """What is written where."""


def _line(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    reach = [np.square(1.0 + (x - y) / 3.0) - 4.0 * (x + 2.0 * y) / 3.0 for x, y in ((a, b), (b, a))]
    return np.minimum(*reach)


def _contest(value: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    return 1.0 + value**exponent - exponent


def _capacities(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    cournot = np.minimum((1.0 - two) / 2.0 - one, (1.0 - one) / 2.0 - two)
    return np.maximum(cournot, np.minimum(one, two) - 1.0)


PANELS = {
    "line": Panel(
        "Prices on a line",
        Line,
        {"a": (0.0, 0.49), "b": (0.0, 0.49)},
        ("distance a of firm A from its end (lengths)", "distance b of firm B from its end (lengths)"),
        _line,
        {"exists": (0.12, 0.12), "none": (0.38, 0.38)},
    ),
    "contest": Panel(
        "A contest",
        Contest,
        {"value": (0.05, 1.0), "exponent": (1.0, 3.0)},
        ("value v of the prize to the weaker (prize of the other)", "decisiveness r of effort (exponent)"),
        _contest,
        {"exists": (0.82, 1.3), "none": (0.5, 2.4)},
    ),
    "capacities": Panel(
        "Prices after capacities",
        Capacities,
        {"one": (0.0125, 1.2), "two": (0.0125, 1.2)},
        ("capacity of firm A (market sizes)", "capacity of firm B (market sizes)"),
        _capacities,
        {"exists": (0.18, 0.18), "none": (0.7, 0.7), "exists ": (1.1, 1.1)},
    ),
}


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The sweep of each panel."""
    found = {}
    for name, panel in PANELS.items():
        axes = {axis: np.linspace(*ends, points) for axis, ends in panel.axes.items()}
        found[name] = sweeps(f"status_map-{name}", panel.game(), axes)
    return found


def exists(name: str, data: xr.Dataset) -> xr.DataArray:
    """By point: whether there is a pure equilibrium, in closed form."""
    x, y = PANELS[name].axes
    margin = PANELS[name].margin(*np.meshgrid(data[x].values, data[y].values, indexing="ij"))
    return xr.DataArray(margin >= 0.0, {x: data[x], y: data[y]}, (x, y), "exists")


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(11.4, 5.2))
    for ax, (name, panel) in zip(figure.subplots(1, 3), PANELS.items(), strict=True):
        x, y = panel.axes
        statuses(data[name]["status"], x=x, y=y, ax=framed(ax))
        there, found = exists(name, data[name]), data[name]["status"] == Status.successful
        right, wrong = (percent(float(found.where(where).mean())) for where in (there, ~there))
        ax.set_title(f"{panel.title}\ncertified: {right} where one exists, {wrong} elsewhere")
        ax.set(xlabel=panel.labels[0], ylabel=panel.labels[1], xlim=span(data[name][x]), ylim=span(data[name][y]))
        _boundary(ax, panel)
        for text, place in panel.notes.items():
            ax.text(*place, text.strip(), color="white", ha="center", va="center", weight="bold",
                    path_effects=[withStroke(linewidth=2.0, foreground="black")])  # fmt: skip
    figure.suptitle("Where there is a pure equilibrium it is certified, also at kinks; elsewhere none is")
    line = Line2D([], [], color="black", linewidth=1.6, label="where a pure equilibrium exists, closed form")
    figure.legend(handles=[line], loc="outside lower center")
    return figure


def _boundary(ax: Axes, panel: Panel) -> None:
    x, y = (np.linspace(*ends, 401) for ends in panel.axes.values())
    margin = panel.margin(*np.meshgrid(x, y))
    lines = ax.contour(x, y, margin, levels=[0.0], colors="black", linewidths=1.6)
    lines.set_path_effects([withStroke(linewidth=3.2, foreground="white")])
