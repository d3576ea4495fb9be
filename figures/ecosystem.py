"""Concentration helps an open ecosystem only until one owner opens whatever others do; then it closes models.

Owners of language models together hold the share 0.6 of the applications and decide at once whether to open, before
all do research and compete (`ManyOwnersOpenSourcing`, two outsiders). Their sizes fall by a constant factor from one to
the next; the factor moves the Herfindahl index of their sizes from 1/n, equal owners, towards 1. At each size
distribution the subgame of every profile of decisions is solved, with every firm searched for profitable deviations,
and all pure equilibria are found. Where there are several, lines show two rules of selection: solid, the equilibrium
with the fewest open models; dashed, that with the most (among equally many, that with higher welfare). Owners of like
size can be all closed or all open, as one that opens makes the licences of the others worthless. That a moderate
concentration is good for the ecosystem is a matter of selection: it is true of the solid lines, and not of the dashed
ones. Outside research is nearly the same with one open model as with several, and between the steps consumer surplus
rises with concentration.
"""

import itertools
from collections.abc import Mapping
from typing import Literal

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nashgrid.games import ManyOwnersOpenSourcing
from nashgrid.solver import Status, at_points

from ._style import BLUE, GREEN, ORANGE
from ._sweeps import Sweeps

POINTS = 121
OWNERS = (2, 3, 4)
TOGETHER, EDGE = 0.6, 0.1
COMMON = {"opening_cost": 0.006, "pooling": 0.5, "clients_by_size": 0.8, "outsiders": 2}
SHOWN = {
    "open_models": "open models",
    "outside_research": "outside research (quality units)",
    "consumer_surplus": "consumer surplus, second period",
}
RULES: dict[str, Literal["-", "--"]] = {"fewest": "-", "most": "--"}
_KEPT = ("payoff", "outside_research", "consumer_surplus", "welfare")
_SMALLEST_FACTOR = 0.1


def compute(sweeps: Sweeps, points: int = POINTS) -> dict[str, xr.Dataset]:
    """The ecosystem at the equilibria that each rule selects, by concentration, for each number of owners."""
    found = {}
    for n in OWNERS:
        sweeps.say(f"  {n} owners: {points * 2**n:,} subgames")
        found[f"{n} owners"] = ecosystem(sizes(n, points))
    return found


def sizes(owners: int, points: int) -> Float[np.ndarray, "point owner"]:
    """Shares of the owners, the largest first, from equal ones to very unequal ones, evenly spaced in concentration."""
    fine = np.linspace(1.0, _SMALLEST_FACTOR, 4001)
    wanted = np.linspace(1.0 / owners, _hhi(_shares(fine[-1:], owners))[0], points)
    return _shares(np.interp(wanted, _hhi(_shares(fine, owners)), fine), owners)


def ecosystem(share: Float[np.ndarray, "point owner"]) -> xr.Dataset:
    """What each rule selects at each distribution of sizes; NaN where a subgame failed or nothing is an equilibrium."""
    points, n = share.shape
    profiles = np.array(list(itertools.product((0.0, 1.0), repeat=n)))
    game = ManyOwnersOpenSourcing(share=share[0], edge=(EDGE,) * n, openness=(0.0,) * n, **COMMON)
    columns = {f"share[{i}]": np.repeat(share[:, i], 2**n) for i in range(n)}
    columns |= {f"openness[{i}]": np.tile(profiles[:, i], points) for i in range(n)}
    data = at_points(game, columns, keep=_KEPT, progress=False)
    values = {name: data[name].values.reshape(points, 2**n, *data[name].shape[1:]) for name in _KEPT}
    failed = np.any(data["status"].values.reshape(points, 2**n) != int(Status.successful), axis=1)
    mask = np.logical_and(equilibria(values["payoff"][..., :n]), np.logical_not(failed)[:, None])
    values["open_models"] = np.broadcast_to(profiles.sum(axis=1), mask.shape)
    selected: dict[str, list[np.ndarray]] = {name: [] for name in SHOWN}
    for sign in (1.0, -1.0):  # In the order of `RULES`.
        first = np.where(mask, sign * values["open_models"], np.inf)
        tied = mask & (first == first.min(axis=1, keepdims=True))
        pick = np.argmax(np.where(tied, values["welfare"], -np.inf), axis=1)[:, None]
        for name in SHOWN:
            one = np.take_along_axis(values[name], pick, axis=1)[:, 0]
            selected[name].append(np.where(mask.any(axis=1), one, np.nan))
    return xr.Dataset(
        {name: (("rule", "point"), np.stack(each)) for name, each in selected.items()}
        | {"equilibria": ("point", mask.sum(axis=1)), "failed": ("point", failed)},
        {"rule": list(RULES), "hhi": ("point", _hhi(share))},
    )


def equilibria(payoff: Float[np.ndarray, "point profile owner"]) -> Bool[np.ndarray, "point profile"]:
    """Whether nobody gains by the other decision, by profile (the last owner's decision changes fastest)."""
    points, profiles, n = payoff.shape
    table = payoff.reshape(points, *(2,) * n, n)
    mask = np.ones(table.shape[:-1], bool)
    for i in range(n):
        own = table[..., i]
        mask &= own >= np.flip(own, axis=1 + i)
    return mask.reshape(points, profiles)


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The figure of a `compute`."""
    figure = Figure(figsize=(9.6, 3.9))
    panels = figure.subplots(1, len(SHOWN))
    colours = dict(zip(data, (BLUE, ORANGE, GREEN), strict=False))
    for ax, (name, label) in zip(panels, SHOWN.items(), strict=True):
        for owners, each in data.items():
            for rule, line in RULES.items():
                values = each[name].sel(rule=rule)
                ax.plot(each["hhi"], values, color=colours[owners], linestyle=line, linewidth=1.6)
        ax.set(xlabel="concentration of owners (Herfindahl index)", ylabel=label, xlim=(0.2, 0.85))
    panels[0].set_yticks(range(max(OWNERS) + 1))
    figure.suptitle("Models open once one owner is large enough to go first; more concentration closes them")
    handles = [Line2D([], [], color=colour, label=owners) for owners, colour in colours.items()]
    handles += [
        Line2D([], [], color="0.3", linestyle=line, label=f"equilibrium with the {rule} open models")
        for rule, line in RULES.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _shares(factor: Float[np.ndarray, " point"], owners: int) -> Float[np.ndarray, "point owner"]:
    weight = factor[:, None] ** np.arange(owners)
    return TOGETHER * weight / weight.sum(axis=1, keepdims=True)


def _hhi(share: Float[np.ndarray, "point owner"]) -> Float[np.ndarray, " point"]:
    return np.square(share / share.sum(axis=1, keepdims=True)).sum(axis=1)
