"""Branch diagrams: what is drawn how, and what is refused."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt

from nashgrid.solver import Branch, GameError, Status, branch_diagram


def branch(status=None, parameter="cost"):
    """Seven points: stable, an event, unstable, an event, no equilibrium."""
    good, bad = int(Status.successful), int(Status.deviation_found)
    data = xr.Dataset(
        {
            "q": (("point", "firm"), np.stack([np.arange(7.0), -np.arange(7.0)], 1), {"long_name": "quantity"}),
            "price": ("point", np.arange(7.0)),
            "table": (("point", "row"), np.zeros((7, 2))),
            "status": ("point", status or [good, good, bad, good, bad, bad, bad]),
            "stability": ("point", [0.5, 0.5, 1.0, 2.0, 2.0, 0.5, 0.5]),
            "event": ("point", ["", "", "fold, stability", "", "certificate", "", ""]),
        },
        {
            parameter: ("point", [0.0, 1.0, 2.0, 1.5, 1.0, 0.5, 0.0], {"long_name": "marginal cost"}),
            "firm": ["A", "B"],
        },
        {"parameter": parameter, "game": "Test"},
    )
    return Branch(data, (), ("interval", "interval"))


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def drawn(ax, linestyle):
    """The points of the lines of one style, without gaps."""
    lines = [line for line in ax.lines if line.get_linestyle() == linestyle and line.get_marker() == "None"]
    return [np.asarray(line.get_ydata())[np.isfinite(np.asarray(line.get_ydata(), float))].tolist() for line in lines]


def test_each_part_has_its_line(ax):
    assert branch_diagram(branch(), y="price", ax=ax) is ax
    assert drawn(ax, "-") == [[0.0, 1.0, 2.0]]
    assert drawn(ax, "--") == [[2.0, 3.0, 4.0]]
    assert drawn(ax, ":") == [[4.0, 5.0, 6.0]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("marginal cost", "price")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [
        "stable equilibrium",
        "unstable equilibrium",
        "first-order point, no equilibrium",
        "fold",
        "stability changes",
        "a distant deviation starts to pay",
    ]


def test_events_are_marked_where_they_are(ax):
    branch_diagram(branch(), y="price", events=("fold", "certificate"), ax=ax)
    marks = {line.get_marker(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines}
    assert marks["o"] == ([2.0], [2.0]) and marks["X"] == ([1.0], [4.0]) and "s" not in marks


def test_firms(ax):
    branch_diagram(branch(), y="q", ax=ax)
    assert drawn(ax, "-") == [[0.0, 1.0, 2.0], [0.0, -1.0, -2.0]]
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["A", "B"]
    ax.clear()
    branch_diagram([branch(), branch()], y="q", firm="B", ax=ax)
    assert drawn(ax, "-") == 2 * [[0.0, -1.0, -2.0]]


def test_what_was_not_judged_is_not_called_an_equilibrium(ax):
    branch_diagram(branch(7 * [int(Status.first_order)]), y="price", ax=ax)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0] == "stable first-order point, not judged"


def test_gaps_between_parts_of_one_kind(ax):
    good, bad = int(Status.successful), int(Status.deviation_found)
    one = branch([good, good, bad, bad, bad, good, good])
    branch_diagram(one, y="price", ax=ax)
    (solid,) = [line for line in ax.lines if line.get_linestyle() == "-"]
    values = np.asarray(solid.get_ydata(), float)
    assert np.isnan(values).any() and values[np.isfinite(values)].tolist() == [0.0, 1.0, 2.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": "profit"}, "there is no variable 'profit'; there is q, price"),
        ({"y": "table"}, "'table' has the dimensions row; only 'firm' can be drawn"),
        ({"y": "q", "firm": "C"}, "there is no firm 'C'; there is A, B"),
        ({"branches": [branch(), branch(parameter="size")]}, r"not of \['cost', 'size'\]"),
        ({"branches": []}, "not of none"),
    ],
)
def test_wrong_arguments(change, message, ax):
    arguments = {"branches": branch(), "y": "price", **change}
    with pytest.raises(GameError, match=message):
        branch_diagram(arguments.pop("branches"), **arguments, ax=ax)
