"""The figures: what they show is what was solved and what is true, and the same command gives the same files."""

import itertools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from figures import (
    _access,
    _sweeps,
    branch_diagram,
    claim_maps,
    coordination_map,
    ecosystem,
    innovation_paths,
    inverted_u,
    literature_atlas,
    lorenz_curves,
    merger_map,
    policy_front,
    policy_front_3d,
    propensity,
    regime_map,
    research_map,
    status_map,
    technology_space,
    welfare_decomposition,
)
from figures.__main__ import FIGURES, caption, main, make
from figures._style import percent, style
from figures._sweeps import Sweeps
from jaxtyping import Array, Float

from nashgrid.games import (
    LinearValueOpenSourcing,
    OpenSourcing,
    OpenSourcingInSpace,
    _claim,
    gain_from_opening,
    gains_in_space,
    population_propensity,
    threshold_edge,
)
from nashgrid.games.claims import MIXED_OPENNESS
from nashgrid.solver import Game, Leader, Status, StoreError, parameter
from nashgrid.solver._spec import read
from tests.by_hand import deviation_payoff, logit_profits, only_candidate, research_profit
from tests.closed_forms import largest_gain
from tests.test_claims import swept, uncertified

# So small, and so that the two sweeps of the linear model have as many points: they then share one compiled program.
POINTS = {
    "inverted_u": 16,
    "regime_map": 8,
    "research_map": 7,
    "merger_map": 8,
    "branch_diagram": 12,
    "coordination_map": 8,
    "ecosystem": 5,
    "propensity": 8,
    "technology_space": 5,
    "status_map": 8,
    "claim_atlas": 1,
    "literature_atlas": 1,
    "claim_maps": 1,
    "welfare_decomposition": 2,
    "lorenz_curves": 2,
    "publicness_triangle": 16,
    "innovation_paths": 8,
    "open_loop_feedback": 8,
    "policy_front": 2,
    "policy_front_3d": 6,
}

_FEW_MAPS = {"open sourcing": ("size opens", "edge closes"), "open beside closed": ("open rival helps", "coexistence")}


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_claim, "at_points", uncertified)
        patch.setattr(literature_atlas, "SETS", (MIXED_OPENNESS,))
        patch.setattr(claim_maps, "PANELS", _FEW_MAPS)
        patch.setattr(ecosystem, "at_points", uncertified)
        patch.setattr(ecosystem, "OWNERS", (2,))
        patch.setattr(technology_space, "at_points", uncertified)
        patch.setattr(_access, "at_points", lambda game, points, method, **how: uncertified(game, points, **how))
        patch.setattr(_sweeps, "sweep", swept)
        yield Sweeps(tmp_path_factory.mktemp("stores"))


@pytest.fixture(scope="module", params=FIGURES)
def name(request):
    return request.param


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_the_same_file_every_time(name, sweeps, tmp_path):
    (tmp_path / "again").mkdir()
    first = make(name, tmp_path, sweeps, POINTS[name]).read_bytes()
    assert first.startswith(b"\x89PNG") and len(first) > 20_000
    assert b"Software" not in first and b"matplotlib" not in first
    assert make(name, tmp_path / "again", sweeps, POINTS[name]).read_bytes() == first


def test_every_axis_and_colour_bar_is_labelled(name, sweeps):
    with style():
        figure = FIGURES[name].draw(FIGURES[name].compute(sweeps, POINTS[name]))
        figure.draw_without_rendering()
        outer = [ax for ax in figure.axes if ax.get_subplotspec() is not None]
        below = [ax for ax in outer if ax.get_subplotspec().is_last_row()]
        left = [ax for ax in outer if ax.get_subplotspec().is_first_col() and ax.get_label() != "<colorbar>"]
    assert figure.get_suptitle()
    assert below and all(ax.get_xlabel() or ax.get_ylabel() for ax in below)
    assert left and all(ax.get_ylabel() for ax in left)
    assert figure.legends or any(ax.get_legend() for ax in figure.axes) or name in ("merger_map", "claim_maps")


def test_inverted_u_is_the_closed_form(sweeps):
    found = inverted_u.gain(inverted_u.compute(sweeps, 16)["inverted_u"])
    edge, share = np.meshgrid(found["edge"], found["owner_share"], indexing="ij")
    exact = gain_from_opening(LinearValueOpenSourcing(owner_share=share, edge=edge))
    np.testing.assert_allclose(found.transpose("edge", "owner_share"), exact, atol=1e-12)


def test_regime_map_has_the_exact_boundary(sweeps):
    data = regime_map.compute(sweeps, 8)
    linear = data["linear"]
    assert (linear["status"] == Status.successful).all()
    game = LinearValueOpenSourcing(owner_share=linear["owner_share"].values, value=0.65, opening_cost=0.02)
    exact = np.asarray(threshold_edge(game))
    opens = linear["edge"].values[None, :] < exact[:, None]
    np.testing.assert_array_equal(linear["openness"].transpose("owner_share", "edge"), opens)
    # The gain is linear in the edge, so that interpolation is exact.
    inside = (exact > 0.0) & (exact < 0.1)
    assert inside.sum() >= 4
    np.testing.assert_allclose(regime_map.boundary(linear)[inside], exact[inside], rtol=1e-9)
    assert np.isnan(regime_map.boundary(linear)[~inside]).all()
    for d, panel in data["competition"].groupby("competition"):
        assert 0.1 < panel["openness"].mean() < 0.9
        point = panel.squeeze("competition").isel(owner_share=3, edge=5)
        fixed = {name: float(point[name]) for name in ("owner_share", "edge", "openness")}
        game = OpenSourcing(outsiders=4, opening_cost=0.02, competition=float(d), **fixed)
        assert largest_gain(game, {"research": point["research"].values}) <= 1e-12


def test_failed_points_have_a_colour_and_a_name(sweeps):
    data = {name: each.copy(deep=True) for name, each in regime_map.compute(sweeps, 8).items()}
    data["linear"]["status"][2, 3] = int(Status.subgame_failed)
    with style():
        figure = regime_map.draw(data)
    assert texts(figure.legends[0])[-1] == "no equilibrium found"
    assert np.isnan(regime_map.boundary(data["linear"])).sum() > 0


@pytest.mark.parametrize(("name", "owned"), [("before", [(0,), (1,), (2,)]), ("after", [(0, 1), (2,)])])
def test_nobody_gains_by_other_prices_in_the_merger_map(name, owned, sweeps):
    data = merger_map.compute(sweeps, 8)[name]
    partner, outsider = np.meshgrid(data["quality[1]"], data["quality[2]"], indexing="ij")
    quality = np.stack([np.full((8, 8), 2.0), partner, outsider], axis=-1)
    price = data["price"].transpose("quality[1]", "quality[2]", "product").values
    part = np.r_[np.linspace(0.0, 3.0, 61), 1.0 + np.array([-1e-3, -1e-4, 1e-4, 1e-3])]
    for mine in owned:
        here = logit_profits(quality, price)[..., mine].sum(-1)
        for factors in itertools.product(part, repeat=len(mine)):
            other = price.copy()
            other[..., mine] *= factors
            assert np.max(logit_profits(quality, other)[..., mine].sum(-1) - here) <= 1e-12


def test_merger_map_needs_both_sweeps(sweeps):
    data = {name: each.copy(deep=True) for name, each in merger_map.compute(sweeps, 8).items()}
    change = merger_map.effects(data)
    assert (change["status"] == Status.successful).all()
    assert (change["price"] > 0.0).all() and (change["surplus"] < 0.0).all()
    data["before"]["status"][1, 1] = int(Status.max_steps)
    data["after"]["status"][2, 2] = int(Status.deviation_found)
    status = merger_map.effects(data)["status"]
    assert (status[1, 1], status[2, 2]) == (Status.max_steps, Status.deviation_found)
    assert (status == Status.successful).sum() == 8**2 - 2
    with style():
        figure = merger_map.draw(data)
    assert texts(figure.legends[0]) == ["no equilibrium found"]


def test_coordination_map_has_the_regions_of_the_closed_form(sweeps):
    for name, data in coordination_map.compute(sweeps, 8).items():
        assert (data["status"] == Status.successful).all()
        found = coordination_map.regions(data)
        assert len(np.unique(found)) >= 3
        sizes = coordination_map.PANELS[name]
        for (i, j), region in np.ndenumerate(found.values):
            t, cost = float(found["transport"][i]), float(found["opening_cost"][j])
            alone = [0.4 * (0.5 * size - t / 2) - cost for size in sizes]
            both = [0.4 * (0.25 * size - t / 8) - cost for size in sizes]
            expected = {
                1.0: max(alone) < 0 and min(both) < 0,
                2.0: max(alone) > 0 and min(both) > 0,
                3.0: max(alone) < 0 < min(both),
                4.0: max(both) < 0 < min(alone),
                5.0: min(both) < 0 and alone[0] > 0 and (both[0] > 0 or alone[1] < 0),
            }
            near = min(map(abs, alone + both)) < 1e-9
            assert near or [key for key, true in expected.items() if true] == [region], (name, t, cost)
    ends = np.array([0.0, 0.3])
    closed, opened = coordination_map.boundaries((0.3, 0.2), ends)
    np.testing.assert_allclose(closed, 0.5 * (0.5 * np.array([0.3, 0.2]) - ends[:, None] / 2), atol=1e-15)
    np.testing.assert_allclose(opened, 0.5 * (0.25 * np.array([0.3, 0.2]) - ends[:, None] / 8), atol=1e-15)


def test_technology_space_has_the_gains_of_the_closed_form(sweeps):
    (data,) = technology_space.compute(sweeps, 5).values()
    assert (data["status"] == Status.successful).all()
    one = data.sel(competition=technology_space.STRONG).isel(horizontal=1, vertical=3)
    place = ((0.25, 0.75), *technology_space.OUTSIDERS)
    game = OpenSourcingInSpace(positions=place, competition=technology_space.STRONG, **technology_space.COMMON)
    np.testing.assert_allclose(one["gain"], jax.jit(gains_in_space)(game), atol=1e-12)
    near, far = technology_space.by_distance(data.isel(competition=1))["gain"].sel(quantile=0.5).values[[0, -1]]
    assert near > 0.0 > far


def test_ecosystem_has_the_equilibria_of_the_decisions(sweeps):
    # Both like the other's decision to be their own; owner 2 opens anyway; they chase each other: no equilibrium.
    together = [[2.0, 2.0], [0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]
    dominant = [[1.0, 0.0], [1.0, 2.0], [0.0, 0.0], [3.0, 1.0]]
    chase = [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
    found = ecosystem.equilibria(np.array([together, dominant, chase]))
    np.testing.assert_array_equal(found, [[1, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]])
    (data,) = ecosystem.compute(sweeps, 5).values()
    assert not data["failed"].any()
    np.testing.assert_allclose(data["hhi"], np.linspace(0.5, (1.0 + 0.01) / 1.21, 5), rtol=1e-6)
    fewest, most = data["open_models"].values
    # Equal owners are both closed or both open; at the other end only the large one opens.
    assert (fewest[0], most[0], data["equilibria"][0]) == (0, 2, 2)
    assert fewest[-1] == most[-1] == 1 and fewest[1] == 2
    open_research, closed_research = data["outside_research"].values[::-1, 0]
    assert open_research > 1.5 * closed_research


def test_propensity_of_a_population_counts_who_opens(sweeps):
    data = propensity.compute(sweeps, 8)
    assert np.isfinite(data["logit"]).all() and data["logit"].min() < 0.1 and data["logit"].max() > 0.9
    size = np.linspace(0.001, 0.999, 999)
    threshold = np.asarray(threshold_edge(LinearValueOpenSourcing(owner_share=size)))
    found = population_propensity(*map(jnp.asarray, (size, threshold, 0.4, 6.0, 0.08)))
    rng = np.random.default_rng(0)
    drawn = {"owner_share": rng.beta(2.4, 3.6, 400_000), "edge": rng.uniform(0.0, 0.16, 400_000)}
    opens = np.mean(np.asarray(gain_from_opening(LinearValueOpenSourcing(**drawn))) >= 0.0)
    assert 0.2 < opens < 0.8 and float(found) == pytest.approx(opens, abs=0.003)


def test_research_map_is_right_about_what_is_an_equilibrium(sweeps):
    data = research_map.compute(sweeps, 7)
    regions = research_map.regions(data)
    assert {0.0, 1.0, 3.0, 4.0} <= set(np.unique(regions))
    # One firm does all the research that it may, which is just what shuts the other out: a kink, found all the same.
    assert regions.sel(spillover=1 / 3, research_cost=0.4 + 1 / 3, method="nearest") == 2.0
    for (i, j), region in np.ndenumerate(regions.values):
        beta, gamma = float(regions["spillover"][i]), float(regions["research_cost"][j])
        tried = np.linspace(0.0, 8.0 / (1.0 + beta), 2001)
        for each in data.values():
            if each["status"][i, j] == Status.successful:
                one, two = each["research"].values[i, j]
                for own, rival in ((one, two), (two, one)):
                    gain = research_profit(tried, rival, beta, gamma) - research_profit(own, rival, beta, gamma)
                    assert gain.max() < 1e-9
        if region == 3.0:  # No symmetric profile is an equilibrium.
            same = tried[::10]
            gains = research_profit(tried[:, None], same[None, :], beta, gamma) - research_profit(
                same, same, beta, gamma
            )
            assert gains.max(axis=0).min() > 1e-4


def test_status_map_says_where_there_is_no_pure_equilibrium(sweeps):
    for name, data in status_map.compute(sweeps, 8).items():
        there, status = status_map.exists(name, data), data["status"]
        strategy = data["effort" if name == "contest" else "price"]
        for (i, j), exists in np.ndenumerate(there.values):
            x, y = (float(there[axis][k]) for axis, k in zip(there.dims, (i, j), strict=True))
            one, two = only_candidate(name, x, y)
            sides = [(1.0, y), (x, y)] if name == "contest" else [(x, y), (y, x)]
            gains = []
            for (first, second), own, rival in zip(sides, (one, two), (two, one), strict=True):
                tried = np.linspace(0.0, 2.0, 20_001)
                best = deviation_payoff(name, first, second, tried, rival).max()
                gains.append(best - deviation_payoff(name, first, second, own, rival))
            assert (max(gains) < 1e-9) == exists, (name, x, y)
            assert (status[i, j] == Status.successful) == exists
            if exists:
                np.testing.assert_allclose(strategy[i, j], [one, two], rtol=1e-8)
        assert 0.1 < there.mean() < 0.5
        if name == "capacities":
            assert (status == Status.unattained).where(~there).mean() > 0.5


def test_branch_diagram_shows_the_gaps_without_equilibrium(sweeps):
    data = branch_diagram.compute(sweeps, 12)
    # Solved as four equations each, see tests/test_branch.py.
    exact = [(2470.1474029, 2481.2746187), (3020.8643216, 3318.6480815)]
    np.testing.assert_allclose(branch_diagram.gaps(data), exact, rtol=1e-9)


def test_what_everybody_gains_is_welfare_and_planned_usage_is_most_equal(sweeps):
    every = welfare_decomposition.compute(sweeps, 2)
    gains = sum(every["policies"][name] for name in welfare_decomposition.PARTS)
    np.testing.assert_allclose(gains, every["policies"]["welfare"], rtol=1e-12)
    assert (every["policies"]["welfare"] < every["planned"]["welfare"]).all()
    lorenz = lorenz_curves.compute(sweeps, 2)["regimes"]
    # The numbers of tests/test_games_quasi_public.py.
    np.testing.assert_allclose(lorenz["gini"], [0.17741083916, 0.12744471745, 0.08939654892], rtol=1e-9)


def test_overtaking_is_where_the_paths_cross(sweeps):
    data = innovation_paths.compute(sweeps, 8)
    closed, opened, later = data["paths"]["quality"].values
    np.testing.assert_array_equal(later[:4], closed[:4])
    assert int(np.argmax(opened > closed)) + 1 == 5
    found = data["map"]["overtaking"]
    assert np.isinf(found.sel(feedback=0.0)).all() and np.isfinite(found[-1, 1:]).all()
    assert (found[1:].diff("feedback").fillna(0.0) <= 0.0).all()


def test_the_front_is_the_best_there_is(sweeps):
    data = policy_front.compute(sweeps, 2)
    front, fixed = data["front"], data["scenarios"]
    assert (front["public_outlay"] <= front["budget"] + 1e-6).all()
    # Without money a mandate is what is left; with money nothing fixed is better, but free public compute.
    none = front.where(front["budget"] == 0.0, drop=True)
    np.testing.assert_allclose(none["welfare"], float(fixed["welfare"].sel(policy="mandate")), rtol=1e-5)
    most = front.where(front["budget"] > 0.0, drop=True)
    assert (most["welfare"].max() > fixed["welfare"]).all()
    for weight, policy in zip(most["weight"].values, range(most.sizes["policy"]), strict=True):
        value = most["welfare"] - weight * most["gini"]
        assert int(np.argmax(value.values)) == policy


def test_no_policy_of_the_grid_is_better_than_the_best_under_its_budget(sweeps):
    """Two ways to the front: a grid without optimization, and gradient ascent under a budget."""
    designed = policy_front.compute(sweeps, 2)["front"]
    grid = policy_front_3d.compute(sweeps, 6)["grid"]
    for weight in policy_front.WEIGHTS:
        for budget in (0.0, 0.6):
            best = designed.where((designed["weight"] == weight) & (designed["budget"] == budget), drop=True)
            cheap = grid.where(grid["public_outlay"] <= budget, drop=True)
            most = float((cheap["welfare"] - weight * cheap["gini"]).max())
            assert most <= float((best["welfare"] - weight * best["gini"])[0]) + 1e-5
    front = grid.where(grid["efficient"] == 1.0, drop=True)
    assert 1 < front.sizes["point"] < 0.75 * grid.sizes["point"]
    assert float(grid["welfare"].max()) == float(front["welfare"].max())


def test_importing_makes_no_array():
    """Else it would be made before JAX is set up, in single precision."""
    program = "import figures.__main__, jax; jax.config.update('jax_num_cpu_devices', 3); print(jax.device_count())"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("3\n", "")


def test_captions(capsys):
    assert main(["--list"]) == 0
    said = capsys.readouterr().out
    for name, script in FIGURES.items():
        assert f"{name} (--points {script.POINTS})\n" in said
        assert caption(name) in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["inverted"],
            "no figure 'inverted'; there is inverted_u, regime_map, research_map, merger_map, branch_diagram, "
            "coordination_map, ecosystem, propensity, technology_space, status_map, claim_atlas, literature_atlas, "
            "claim_maps, welfare_decomposition, lorenz_curves, publicness_triangle, innovation_paths, "
            "open_loop_feedback, policy_front, policy_front_3d.",
        ),
        (["--points", "1"], "--points 1: give at least 2."),
    ],
)
def test_wrong_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert capsys.readouterr().err.endswith(f"{message}\n")


def test_a_file_in_the_place_of_the_folder(tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert main(["inverted_u", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


class Monopoly(Game):
    cost: Float[Array, ""] = parameter(1.0)
    scale: Float[Array, ""] = parameter(1.0)
    firms = ("monopolist",)

    def bounds(self):
        return {"q": (0.0, 10.0)}

    def payoff(self, s):
        return (5.0 - s["q"] - self.cost) * s["q"] * self.scale


def test_sweeps_are_kept_until_something_changes(tmp_path):
    lines = []
    axes = {"cost": np.array([1.0, 2.0])}
    first = Sweeps(tmp_path, lines.append)("monopoly", Monopoly(), axes)
    np.testing.assert_allclose(first["q"].values.ravel(), [2.0, 1.5])
    (store,) = tmp_path.iterdir()
    made = store.stat().st_ctime_ns
    xr.testing.assert_identical(Sweeps(tmp_path, lines.append)("monopoly", Monopoly(), axes), first)
    assert store.stat().st_ctime_ns == made and "exists" in lines[2]
    with pytest.raises(StoreError, match="'scale'"):
        Sweeps(tmp_path)("monopoly", Monopoly(scale=2.0), axes)
    changed = Sweeps(tmp_path, again=True)("monopoly", Monopoly(scale=2.0), axes)
    np.testing.assert_allclose(changed["payoff"], 2.0 * first["payoff"])


def test_percent_never_rounds_to_all_or_nothing():
    assert [percent(share) for share in (0.0, 1e-5, 0.123, 0.99999, 1.0)] == [
        "0 %",
        "< 0.1 %",
        "12.3 %",
        "> 99.9 %",
        "100 %",
    ]


def test_specification_of_the_first_map():
    spec = read("figures/open_sourcing.toml")
    problem = spec.problem()
    assert [len(values) for values in spec.axes.values()] == [512, 512]
    assert isinstance(problem, Leader) and problem.firms == ("owner",) and len(problem.game.firms) == 5
