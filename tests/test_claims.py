"""Claims are judged by the equilibria, and the atlas counts and decomposes them rightly."""

import numpy as np
import pytest
import xarray as xr
from figures import _atlas

from nashgrid.games import LinearValueOpenSourcing, LogitBertrand, OpenSourcing, gain_from_opening
from nashgrid.games.claims import (
    OPEN_SOURCING_CLAIMS,
    OPEN_SOURCING_RANGES,
    QUASI_PUBLIC_CLAIMS,
    QUASI_PUBLIC_RANGES,
    Claim,
    quasi_public_points,
    single_peak,
)
from nashgrid.solver import Leader, Newton, Status, at_points, solve, sweep


def uncertified(game, points, **options):
    """`at_points` without certificates, which take long to compile, as if it had them."""
    return _as_if_certified(at_points(game, points, method=Newton(), certify=False, **options))


def swept(problem, axes, *, store):
    """`sweep`, without certificates where they take longest to compile: deviations are to be looked for otherwise."""
    if isinstance(problem, LogitBertrand):
        return _as_if_certified(sweep(problem, axes, certify=False, store=store))
    if isinstance(problem, Leader) and isinstance(problem.game, OpenSourcing):
        return _as_if_certified(sweep(problem, axes, method=Newton(), certify=False, store=store))
    return sweep(problem, axes, store=store)


def _as_if_certified(data):
    first_order = data["status"] == Status.first_order
    return data.assign(status=xr.where(first_order, int(Status.successful), data["status"]))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(_atlas, "at_points", uncertified)


def test_single_peaks_are_those_of_the_closed_form():
    """Delta = (1 - s)(B s - L) - F: its peak is inside iff L < B."""
    s = np.linspace(0.04, 0.96, 24)
    for edge, inside in ((0.0, True), (0.2, True), (0.6, False)):
        gain = np.asarray(gain_from_opening(LinearValueOpenSourcing(owner_share=s, edge=np.full(24, edge))))
        assert single_peak(gain[None, :]).tolist() == [inside], edge
    assert not single_peak(np.array([[0.0, 1.0, 0.0, 1.0, 0.0]]))[0]
    assert not single_peak(np.array([[1.0, 0.5, 0.0]]))[0]


def test_values_are_those_of_single_equilibria():
    """One draw, solved on its own: a larger edge, a larger size, and what all the claims look at."""
    draws = {name: np.array([low + 0.4 * (high - low)]) for name, (low, high) in OPEN_SOURCING_RANGES.items()}
    values = _atlas.open_sourcing_values(draws)
    point = {name: float(value[0]) for name, value in draws.items()}

    def both(**changes):
        games = [OpenSourcing(outsiders=4, **(point | changes), openness=theta) for theta in (1.0, 0.0)]
        return [solve(game, Newton(), certify=False) for game in games]

    for name, changes in (
        ("gain", {}),
        ("gain_at_more_edge", {"edge": point["edge"] + 0.01}),
        ("gain_at_more_size", {"owner_share": point["owner_share"] + 0.02}),
    ):
        opened, closed = both(**changes)
        assert values[name][0] == pytest.approx(float(opened.payoff[0] - closed.payoff[0]), rel=1e-8)
    opened, closed = both()
    for name in ("outside_research", "consumer_surplus", "welfare"):
        assert values[f"{name}_open"][0] == pytest.approx(float(opened.outcomes[name]), rel=1e-8)
        assert values[f"{name}_closed"][0] == pytest.approx(float(closed.outcomes[name]), rel=1e-8)


def test_every_claim_has_its_values_and_its_ranges_are_of_the_game():
    middle = {name: np.full(3, (low + high) / 2) for name, (low, high) in QUASI_PUBLIC_RANGES.items()}
    points = quasi_public_points(middle)
    assert points["hosting_cost"][0] == pytest.approx(0.15 + 0.15) and points["need[2]"][0] == pytest.approx(1.3)
    values = _atlas.quasi_public_values(middle)
    for claim in QUASI_PUBLIC_CLAIMS:
        assert set(claim.needs) <= set(values) and claim.holds(values).shape == (3,)
    assert {name for claim in OPEN_SOURCING_CLAIMS for name in claim.needs} >= {"gain", "gain_by_size"}


def _claim(name, holds):
    return Claim(name, name, "here", "derived", "made so", ("x", "y"), holds)


def test_indices_and_shares_are_those_of_a_function_by_hand():
    """y > 1/2 alone: y has the indices 1. x y > 1/4, x > 1/2: both matter, and x alone for the second."""
    ranges = {"x": (0.0, 1.0), "y": (0.0, 1.0), "z": (5.0, 6.0)}
    claims = (
        _claim("one", lambda v: v["y"] > 0.5),
        _claim("both", lambda v: v["x"] * v["y"] > 0.25),
        _claim("always", lambda v: v["x"] >= 0.0),
    )

    def values(draws):
        return {"x": np.where(draws["z"] > 5.9, np.nan, draws["x"]), "y": draws["y"]}

    data = _atlas._atlas(claims, ranges, values, 1024, lambda line: None)
    np.testing.assert_allclose(data["share"], [0.5, 0.75 - 0.25 * np.log(4.0), 1.0], atol=0.01)
    np.testing.assert_allclose(data["admissible"], 0.9, atol=0.01)
    assert np.isnan(data["total_order"].sel(claim="always")).all()
    assert _atlas.decisive(data, "one", 1) == ["y"] and set(_atlas.decisive(data, "both")) == {"x", "y"}
    symmetric = data["total_order"].sel(claim="both", parameter=["x", "y"]).values
    error = data["total_order_error"].sel(claim="both", parameter=["x", "y"]).values
    assert abs(np.diff(symmetric)[0]) < 4 * np.hypot(*error)
    share = _atlas.share_map(data, "one", "x", "y", 4)
    np.testing.assert_allclose(share, np.broadcast_to([0.0, 0.0, 1.0, 1.0], (4, 4)), atol=0.2)


def test_the_total_order_index_without_gaps_is_exact_in_the_limit():
    """x > 1/2 xor y > 1/2: nothing alone, everything together."""
    ranges = {"x": (0.0, 1.0), "y": (0.0, 1.0)}
    claims = (_claim("xor", lambda v: (v["x"] > 0.5) != (v["y"] > 0.5)),)
    data = _atlas._atlas(claims, ranges, lambda draws: draws, 2048, lambda line: None)
    np.testing.assert_allclose(data["first_order"], 0.0, atol=0.05)
    np.testing.assert_allclose(data["total_order"], 1.0, atol=0.05)


def test_draws_without_equilibrium_have_no_value(monkeypatch):
    def failing(game, points, **options):
        data = at_points(game, points, method=Newton(), certify=False, **options)
        return data.assign(status=data["status"] * 0 + int(Status.deviation_found))

    monkeypatch.setattr(_atlas, "at_points", failing)
    draws = {name: np.array([(low + high) / 2]) for name, (low, high) in QUASI_PUBLIC_RANGES.items()}
    assert all(np.isnan(value).all() for value in _atlas.quasi_public_values(draws).values())
