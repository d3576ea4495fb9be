"""Plots: what is drawn is what was solved, labels come from the data, and the same data give the same file."""

import matplotlib
import numpy as np
import pytest
import xarray as xr

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba

from nashgrid.solver import GameError, Status
from nashgrid.solver._plot import COLORS, FAILED, curve, regime_map, status_map, value_map
from nashgrid.solver._report import draw

X, Y = np.linspace(0.0, 1.0, 4), np.linspace(5.0, 7.0, 3)


@pytest.fixture
def data():
    """Twelve points, one of which (x = 1/3, y = 5) has no equilibrium but a number all the same."""
    status = np.full((4, 3), int(Status.successful), np.int8)
    status[1, 0] = Status.deviation_found
    price = X[:, None] + Y[None, :]
    price[1, 0] = 1e6
    open_ = (X[:, None] > 0.5) * np.ones(3)
    q = np.stack([price, -price], axis=-1)
    return xr.Dataset(
        {
            "status": (("x", "y"), status),
            "price": (("x", "y"), price, {"long_name": "market price", "units": "euro"}),
            "open": (("x", "y"), open_, {"long_name": "licence"}),
            "q": (("x", "y", "firm"), q),
        },
        {
            "x": ("x", X, {"long_name": "cost of A"}),
            "y": ("y", Y, {"long_name": "size of the market"}),
            "firm": ("firm", ["A", "B"]),
        },
    )


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def texts(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


def test_value_map_leaves_out_what_is_not_solved(data, ax):
    assert value_map(data.price, x="x", y="y", status=data.status, ax=ax) is ax
    values = ax.collections[0].get_array()
    assert values.shape == (3, 4)
    assert values.mask[0, 1] and values.mask.sum() == 1
    assert values.max() == 8.0
    assert values[2, 3] == 8.0 and values[0, 3] == 6.0
    failed = ax.collections[1]
    assert failed.get_cmap()(0) == to_rgba(FAILED) and (~failed.get_array().mask).sum() == 1
    assert texts(ax) == ["no equilibrium found"]


def test_labels_come_from_the_attributes(data, ax):
    value_map(data.price, x="x", y="y", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("cost of A", "size of the market")
    assert ax.figure.axes[1].get_ylabel() == "market price [euro]"
    assert ax.get_legend() is None


def test_axes_can_be_exchanged(data, ax):
    value_map(data.price, x="y", y="x", status=data.status, ax=ax)
    assert ax.collections[0].get_array().shape == (4, 3)
    assert ax.get_xlabel() == "size of the market"


def test_value_map_without_status_leaves_out_what_is_not_a_number(data, ax):
    value_map(data.price.where(data.price < 7), x="x", y="y", ax=ax)
    assert (ax.collections[0].get_array().mask == ~(data.price.values.T < 7)).all()


def test_regime_map_has_a_colour_for_each_value_and_one_for_failure(data, ax):
    regime_map(data.open, x="x", y="y", status=data.status, labels={0: "closed", 1: "open"}, ax=ax)
    assert texts(ax) == ["closed", "open", "no equilibrium found"]
    mesh = ax.collections[0]
    shown = [mesh.get_cmap()(mesh.norm(mesh.get_array()[2, i])) for i in (0, 3)]
    assert shown == [to_rgba(COLORS[0]), to_rgba(COLORS[1])]
    assert mesh.get_array().mask[0, 1]


def test_a_regime_keeps_its_colour_when_another_is_absent(data, ax):
    regime_map(data.open.isel(x=slice(2, None)), x="x", y="y", labels={0: "closed", 1: "open"}, ax=ax)
    mesh = ax.collections[0]
    assert texts(ax) == ["open"]
    assert mesh.get_cmap()(mesh.norm(0)) == to_rgba(COLORS[1])


def test_regime_map_refuses_more_values_than_colours(data, ax):
    with pytest.raises(GameError, match=r"10 values.*value_map"):
        regime_map(data.price, x="x", y="y", ax=ax)


def test_status_map_names_what_is_there_with_its_share(data, ax):
    status_map(data.status, x="x", y="y", ax=ax)
    assert texts(ax) == ["successful (0.917)", "deviation found (0.0833)"]
    assert len({p.get_facecolor() for p in ax.get_legend().get_patches()}) == 2


def test_status_map_of_an_unfinished_sweep(data, ax):
    data["status"][2:] = Status.not_computed
    status_map(data.status, x="x", y="y", ax=ax)
    assert texts(ax)[0] == "not computed (0.5)"


def test_curve_draws_a_line_for_each_firm_with_gaps(data, ax):
    curve(data.q.sel(y=5.0), x="x", status=data.status.sel(y=5.0), ax=ax)
    assert [line.get_label() for line in ax.get_lines()] == ["A", "B"]
    y = ax.get_lines()[0].get_ydata()
    assert np.isnan(y[1]) and np.isfinite(np.delete(y, 1)).all()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("cost of A", "q")


def test_curve_of_one_variable(data, ax):
    curve(data.price.sel(y=7.0), x="x", ax=ax, color="red")
    (line,) = ax.get_lines()
    assert line.get_color() == "red"
    np.testing.assert_array_equal(line.get_ydata(), X + 7.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda d: value_map(d.q, x="x", y="y"),
        lambda d: value_map(d.price, x="x", y="x"),
        lambda d: regime_map(d.price.sel(y=5.0), x="x", y="y"),
        lambda d: status_map(d.status, x="x", y="z"),
        lambda d: curve(d.q, x="x"),
        lambda d: curve(d.price, x="z"),
    ],
)
def test_other_dimensions_are_refused(data, call):
    with pytest.raises(GameError, match=r"has the dimensions .* choose a point"):
        call(data)


def test_a_new_figure_without_axes(data):
    before = set(plt.get_fignums())
    status_map(data.status, x="x", y="y")
    assert len(set(plt.get_fignums()) - before) == 1
    plt.close()


def test_options_reach_matplotlib(data, ax):
    value_map(data.price, x="x", y="y", ax=ax, cmap="magma", vmin=0.0)
    assert ax.collections[0].get_cmap().name == "magma" and ax.collections[0].norm.vmin == 0.0


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_files_are_the_same_bytes_each_time(data, tmp_path, kind):
    for name in ("a", "b"):
        draw(data, str(tmp_path / f"{name}.{kind}"), variable="price")
    assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


@pytest.mark.parametrize(
    "options, says",
    [
        ({"variable": "prize"}, "no variable 'prize'; did you mean 'price'"),
        ({"variable": "q"}, "choose a point of each other dimension"),
        ({"variable": "q", "select": {"firm": "C"}}, "no firm 'C'; write one of A, B"),
        ({"variable": "q", "select": {"frim": "A"}}, "no dimension 'frim' here; did you mean 'firm'"),
        ({"variable": "price", "x": "z"}, "no parameter 'z'"),
        ({"variable": "price", "select": {"x": "one"}}, "write a number"),
        ({"variable": "price", "kind": "value", "select": {"x": 0.3}}, "needs two parameters, and 1 vary"),
    ],
)
def test_draw_says_what_is_wrong(data, tmp_path, options, says):
    with pytest.raises(GameError, match=says):
        draw(data, str(tmp_path / "a.png"), **options)
    assert not (tmp_path / "a.png").exists()


def test_draw_into_a_folder_that_is_not_there(data, tmp_path):
    with pytest.raises(GameError, match="cannot be written"):
        draw(data, str(tmp_path / "none" / "a.png"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"variable": "price", "title": "Prices"},
        {"variable": "open"},
        {"variable": "q", "select": {"firm": "B"}, "x": "y"},
        {"variable": "q", "select": {"y": 5.1}},
    ],
)
def test_draw_finds_the_plot_that_suits(data, tmp_path, options):
    draw(data, str(tmp_path / "a.png"), **options)
    assert (tmp_path / "a.png").stat().st_size > 1000
