"""Dates of opening as an equilibrium: paths are those of the models without dates, and nobody wants another date."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from nashgrid.games import (
    DeveloperDates,
    MixedOpenness,
    ReleaseDate,
    _date_cells,
    dates_path,
    dates_table,
    innovation_path,
    mixed_openness_investment,
)
from nashgrid.solver import GameError, Status, at_points, pure_equilibria

T = 3
path_of = eqx.filter_jit(dates_path)
payoff_of = eqx.filter_jit(lambda game: game.payoff({"investment": mixed_openness_investment(game)}))


@pytest.mark.parametrize("theta", [0.0, 1.0])
def test_all_closed_and_all_open_are_the_paths_of_a_regulator(theta):
    path = path_of(DeveloperDates(periods=T), jnp.full((T, 3), theta))
    other = innovation_path(ReleaseDate(periods=T), jnp.full(T, theta))
    np.testing.assert_allclose(path.quality, np.broadcast_to(other.quality[:, None], (T, 3)), rtol=1e-12)
    np.testing.assert_allclose(path.investment[:, 0], other.investment, rtol=1e-12)
    np.testing.assert_allclose(path.sales.sum(axis=1), other.total_usage, rtol=1e-12)
    np.testing.assert_allclose(path.welfare, other.welfare, rtol=1e-12)


def test_what_was_open_is_not_taken_back():
    """The first developer is open in the first period only: what it invested then is in every model, and it keeps what
    users added; what it invests later is its own."""
    game = DeveloperDates(market=MixedOpenness(quality_spillover=0.0), periods=T, depreciation=0.1)
    opened = jnp.zeros((T, 3)).at[0, 0].set(1.0)
    path = path_of(game, opened)
    a = np.asarray(path.investment)
    shown = 0.9 * a[0, 0]
    np.testing.assert_allclose(path.quality[1], 1.0 + shown + a[1] + np.array([0.0, 0.9, 0.9]) * a[0], rtol=1e-12)
    later = path_of(game, opened.at[1, 0].set(1.0))
    kept = 0.03 * 0.25 * later.sales[0, 0]
    b = np.asarray(later.investment)
    np.testing.assert_allclose(later.quality[1, 0], 1.0 + shown + kept + b[1, 0], rtol=1e-12)
    np.testing.assert_allclose(later.quality[2, 0], 1.0 + 0.9 * (shown + kept + b[1, 0]) + b[2, 0], rtol=1e-12)


def test_one_period_is_the_decision_to_open():
    dates = dates_table(DeveloperDates(periods=1, discount=0.5))
    for profile in ((0, 0, 1), (1, 0, 1), (1, 1, 1)):
        game = MixedOpenness(open=tuple(1.0 - date for date in profile))
        exact = payoff_of(game)
        np.testing.assert_allclose(dates.table.payoff[profile], exact, rtol=1e-12)


def test_dates_are_an_equilibrium_and_not_those_best_for_welfare():
    """At the defaults all open at once, two periods before it is best; without complements never; between, either."""
    for revenue, found in ((0.0, {(T, T, T)}), (0.1, {(0, 0, 0), (T, T, T)}), (0.2, {(0, 0, 0)})):
        dates = dates_table(DeveloperDates(market=MixedOpenness(complementary_revenue=revenue), periods=T))
        assert dates.table.certified.all() and (dates.status == Status.successful).all()
        mask = np.asarray(pure_equilibria(dates.table).mask)
        assert {tuple(each) for each in np.argwhere(mask)} == found
    pay = np.asarray(dates.table.payoff)
    assert pay[0, 0, 0, 0] == pay[:, 0, 0, 0].max() and pay[0, 0, 0, 2] == pay[0, 0, :, 2].max()
    assert int(np.argmax([dates.welfare[s, s, s] for s in range(T + 1)])) > 0


def test_closing_is_opening_backwards():
    """Closed from the start is never open, and the other way round."""
    game = DeveloperDates(periods=T)
    opening, closing = dates_table(game), dates_table(game, closing=True)
    for never, at_once in (((T, T, T), (0, 0, 0)), ((0, 0, 0), (T, T, T)), ((0, T, 0), (T, 0, T))):
        np.testing.assert_allclose(opening.table.payoff[never], closing.table.payoff[at_once], rtol=1e-12)
    assert (closing.table.payoff[1, 1, 1] != opening.table.payoff[1, 1, 1]).all()


def test_profiles_without_a_value_are_not_certified():
    game = DeveloperDates(market=MixedOpenness(hosting_cost=1.5), periods=T)
    dates = dates_table(game)
    assert dates.table.certified[T, T, T] and not dates.table.certified[0, T, T]
    assert np.isnan(dates.welfare[0, T, T])
    valueless, after = Status.nonfinite, Status.not_computed
    assert dates.status[0, T, T].tolist() == [valueless, after, after]
    assert dates.status[2, T, T].tolist() == [Status.successful, Status.successful, valueless]


@pytest.mark.parametrize(("moved", "code"), [(False, Status.deviation_found), (True, Status.first_order)])
def test_a_refused_certificate_of_one_period_is_no_equilibrium_in_dates(moved, code, monkeypatch):
    """Opening at once is one at the defaults; it is not called so if investment with all open in period 2 fails, and
    what the solver moves away from fails as well."""

    def refusing(game, points, **options):
        data = at_points(game, points, **options)
        every = [points[f"open[{i}]"] == 1.0 for i in range(3)]
        second = np.logical_and.reduce([*every, points["base_quality[0]"] > 1.0])
        if moved:
            return data.assign(investment=data["investment"] + 0.01 * xr.DataArray(second, dims="point"))
        return data.assign(status=xr.where(second, int(Status.deviation_found), data["status"]))

    monkeypatch.setattr(_date_cells, "at_points", refusing)
    dates = dates_table(DeveloperDates(periods=T))
    assert dates.status[0, 0, 0].tolist() == [Status.successful, code, code]
    assert not dates.table.certified[0, 0, 0] and np.isfinite(dates.welfare[0, 0, 0])
    found = pure_equilibria(dates.table)
    assert not found.mask.any() and found.undecided[0, 0, 0]


def test_what_cannot_be_certified_is_refused():
    with pytest.raises(GameError, match="differentiate or map dates_path"):
        eqx.filter_jit(dates_table)(DeveloperDates(periods=T))
    with pytest.raises(GameError, match="68921 profiles"):
        dates_table(DeveloperDates(periods=40))

    class Levied(MixedOpenness):
        def payoff(self, s):
            return MixedOpenness.payoff(self, s) - 0.1 * s["investment"]

    some = np.ones((1, 3))
    with pytest.raises(GameError, match="not of its subclass Levied"):
        _date_cells.cell_status(Levied(), some, some, some, np.ones(1, bool))
