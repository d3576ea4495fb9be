"""Claims are judged by the equilibria of the right games, and what is known of them in closed form is so."""

import dataclasses
import json

import numpy as np
import pytest
import xarray as xr
from figures import _atlas
from figures._sweeps import Sweeps

from nashgrid.games import LinearValueOpenSourcing, LogitBertrand, MixedOpenness, OpenSourcing, gain_from_opening
from nashgrid.games import _claim as claim_module
from nashgrid.games import _claims_mixed as mixed_module
from nashgrid.games import _claims_open_sourcing as open_sourcing_module
from nashgrid.games import _claims_owners as owners_module
from nashgrid.games import _claims_public_firm as public_firm_module
from nashgrid.games import _claims_quasi_public as quasi_public_module
from nashgrid.games.claims import (
    CLAIM_SETS,
    MIXED_OPENNESS,
    OPEN_SOURCING,
    OWNERS,
    QUASI_PUBLIC_GOOD,
    Claim,
    ClaimSet,
    access_points,
    single_peak,
)
from nashgrid.solver import Leader, Newton, Status, at_points, solve, sweep
from nashgrid.solver._axes import knobs


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


def drawn(claims, count=1, part=0.4):
    return {name: np.full(count, low + part * (high - low)) for name, (low, high) in claims.ranges.items()}


def test_single_peaks_are_those_of_the_closed_form():
    """Delta = (1 - s)(B s - L) - F: its peak is inside iff L < B."""
    s = np.linspace(0.04, 0.96, 24)
    for edge, inside in ((0.0, True), (0.2, True), (0.6, False)):
        gain = np.asarray(gain_from_opening(LinearValueOpenSourcing(owner_share=s, edge=np.full(24, edge))))
        assert single_peak(gain[None, :]).tolist() == [inside], edge
    assert not single_peak(np.array([[0.0, 1.0, 0.0, 1.0, 0.0]]))[0]
    assert not single_peak(np.array([[1.0, 0.5, 0.0]]))[0]


def test_values_are_those_of_single_equilibria(monkeypatch):
    """One draw, solved on its own: a larger edge, a larger size, and what all the claims look at."""
    monkeypatch.setattr(claim_module, "at_points", uncertified)
    draws = drawn(OPEN_SOURCING)
    values = OPEN_SOURCING.values(draws)
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


def test_points_are_parameters():
    points = access_points(drawn(QUASI_PUBLIC_GOOD, part=0.5))
    assert points["hosting_cost"][0] == pytest.approx(0.15 + 0.15) and points["need[2]"][0] == pytest.approx(1.3)


MODULES = {
    "open sourcing": open_sourcing_module,
    "quasi-public good": quasi_public_module,
    "rival owners": owners_module,
    "open beside closed": mixed_module,
    "public firm": public_firm_module,
}


@pytest.mark.parametrize("claims", CLAIM_SETS, ids=lambda claims: claims.name)
def test_every_claim_is_judged(claims, monkeypatch):
    """With made-up numbers in the place of equilibria: everything is there, and of parameters that there are."""

    def made_up(game, points, keep):
        knobs(game, tuple(points), "points")
        shape = np.broadcast_shapes(*(value.shape for value in points.values()))
        by_firm = {"payoff", "research", "investment", "sales", "profit"}
        by_firm |= {"quality"} if isinstance(game, MixedOpenness) else set()
        return {name: rng.normal(size=(*shape, len(game.firms)) if name in by_firm else shape) for name in keep}

    rng = np.random.default_rng(0)
    monkeypatch.setattr(MODULES[claims.name], "certified", made_up)
    found = claims.judge(drawn(claims, 200))
    assert list(found) == [claim.name for claim in claims.claims]
    for name, answer in found.items():
        assert set(answer) <= {0.0, 1.0} and len(answer) == 200, name
        assert 0.0 < answer.mean() < 1.0 or name == "inverted U", f"{name} does not depend on what it looks at"


def _one(name, holds):
    return Claim(name, name, "here", "derived", "made so", ("x",), holds)


def test_what_has_no_value_has_no_answer():
    claims = ClaimSet("c", "m", (_one("high", lambda v: v["x"] > 1.0),), {}, lambda d: d)
    np.testing.assert_array_equal(claims.judge({"x": np.array([0.0, 2.0, np.nan])})["high"], [0.0, 1.0, np.nan])


def test_draws_without_equilibrium_have_no_value(monkeypatch):
    def failing(game, points, **options):
        data = uncertified(game, points, **options)
        return data.assign(status=data["status"] * 0 + int(Status.deviation_found))

    monkeypatch.setattr(claim_module, "at_points", failing)
    found = claim_module.certified(LinearValueOpenSourcing(), {"edge": np.full((2, 1), 0.1)}, ("payoff",))
    assert found["payoff"].shape[:2] == (2, 1) and np.isnan(found["payoff"]).all()


@pytest.mark.parametrize(
    ("larger", "smaller", "neither", "somebody"),
    [
        # Gains from opening: rival closed, rival open.
        ((-1.0, 1.0), (-1.0, 1.0), 1.0, 1.0),  # coordination
        ((1.0, -1.0), (1.0, -1.0), 0.0, 1.0),  # anti-coordination
        ((1.0, -1.0), (-1.0, 1.0), 0.0, 0.0),  # one wants what the other does, the other the opposite
        ((-1.0, -2.0), (-1.0, -2.0), 1.0, 0.0),
    ],
)
def test_equilibria_of_two_owners_decisions(larger, smaller, neither, somebody, monkeypatch):
    def certified(game, points, keep):
        pay = np.zeros((1, 5, 6)) if len(game.share) == 2 else np.zeros((1, 2, 7))
        if len(game.share) == 2:  # neither open, the larger, the smaller, both
            pay[0, 1, 0], pay[0, 3, 0] = larger
            pay[0, 2, 1], pay[0, 3, 1] = smaller
        return {"payoff": pay, "research": pay}

    monkeypatch.setattr(owners_module, "certified", certified)
    values = OWNERS.values(drawn(OWNERS))
    assert (values["neither"][0], values["somebody"][0]) == (neither, somebody)
    settled = OWNERS.judge(drawn(OWNERS))["decisions settle"][0]
    assert settled == max(neither, somebody)


def test_numbers_of_open_models_that_are_equilibria(monkeypatch):
    """The second developer gains by opening, the first and the third lose: none and two open are equilibria."""
    gains = np.array([-1.0, 2.0, -1.0])

    def certified(game, points, keep):
        pay = np.zeros((1, 4, 3))
        pay[0, 1:, 2] = gains  # what an open one has beyond a closed one with one fewer open
        return dict.fromkeys(keep, pay) | {"welfare": np.array([[0.0, 1.0, 2.0, 3.0]])}

    monkeypatch.setattr(mixed_module, "certified", certified)
    np.testing.assert_array_equal(MIXED_OPENNESS.values(drawn(MIXED_OPENNESS))["settled"], [[1.0, 0.0, 1.0, 0.0]])
    judged = MIXED_OPENNESS.judge(drawn(MIXED_OPENNESS))
    assert judged["coexistence"][0] == 1.0 and judged["opens too little"][0] == 1.0


def test_an_atlas_changes_its_name_with_its_claims_and_its_models():
    fewer = dataclasses.replace(OPEN_SOURCING, claims=OPEN_SOURCING.claims[1:])
    assert len({claims.key() for claims in (*CLAIM_SETS, fewer)}) == len(CLAIM_SETS) + 1
    files = {module.__name__.rpartition(".")[2] for module in claim_module._modules(OWNERS.values)}
    assert {"_claims_owners", "open_sourcing_owners", "open_sourcing_oligopoly", "_claim", "_measures"} <= files
    assert "quasi_public_good" not in files


def test_an_atlas_keeps_its_name_when_only_words_about_its_models_change(monkeypatch):
    source, key = claim_module.inspect.getsource, OPEN_SOURCING.key()

    def edited(old, new, most=-1):
        assert any(old in source(module) for module in claim_module._modules(OPEN_SOURCING.values))
        monkeypatch.setattr(claim_module.inspect, "getsource", lambda module: source(module).replace(old, new, most))
        return OPEN_SOURCING.key()

    assert edited('"""', '"""Another word. ', 1) == key
    assert edited("def payoff(self, s", "def payoff(  # what is earned\n        self, s") == key
    assert edited("jnp.square", "jnp.abs") != key
    assert edited("research", "development") != key  # the descriptions of parameters are used


@pytest.mark.parametrize("claims", CLAIM_SETS, ids=lambda claims: claims.name)
def test_the_summary_that_is_kept_is_of_these_claims_and_models(claims):
    kept = _atlas.SUMMARIES / f"{claims.name.replace(' ', '_')}.json"
    assert _atlas._read(kept, claims, _atlas.DRAWS) is not None, f"{kept.name} is of others: compute it again"


def test_a_summary_is_read_if_it_is_of_the_same_atlas(tmp_path, monkeypatch):
    claims = ClaimSet(
        "of x",
        "none",
        (_one("high", lambda v: v["x"] > 0.25),),
        {"x": (0.0, 1.0), "y": (0.0, 1.0)},
        dict,
    )
    monkeypatch.setattr(_atlas, "SUMMARIES", tmp_path / "kept")
    monkeypatch.setattr(_atlas, "DRAWS", 5000)
    monkeypatch.setattr(ClaimSet, "key", lambda self: "1")
    first = _atlas.atlases([claims], 5000, Sweeps(tmp_path))["of x"]
    assert float(first["share"][0]) == pytest.approx(0.75, abs=0.01)
    monkeypatch.setattr(_atlas, "claim_atlas", None)
    again = _atlas.atlases([claims], 5000, Sweeps(tmp_path))["of x"]
    xr.testing.assert_allclose(again, first, rtol=1e-12)
    assert again["statement"].values.tolist() == ["high"]
    kept = tmp_path / "kept" / "of_x.json"
    for change in ({"asked": 1}, {"attrs": {**first.attrs, "key": "2"}}):
        kept.write_text(json.dumps(json.loads(kept.read_text()) | change))
        assert _atlas._read(kept, claims, 5000) is None
