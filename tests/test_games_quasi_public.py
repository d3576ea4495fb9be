"""A language model as a quasi-public good: known numbers, brute force, and who is excluded."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import (
    ComputeCapacity,
    LogitAccess,
    MixedOpenness,
    PlannedGood,
    QuasiPublicGood,
    SimultaneousQuasiPublicGood,
    access_candidates,
    best_open_subsidy,
    closed_equilibrium,
    delayed_release_investment,
    first_best,
    instruments,
    lorenz_curve,
    mandated,
    open_equilibrium,
    partnership,
    planned_equilibrium,
    public_compute,
    scenarios,
    subsidized,
)
from nashgrid.solver import GameError, Newton, Status, solve, sweep
from tests.closed_forms import largest_gain

GOOD = QuasiPublicGood()
CLOSED = {
    "quality": 1.0407035175879398,
    "total_usage": 1.0078966259870783,
    "price": 0.4023689877961235,
    "welfare": 0.8530827137266589,
    "gini": 0.17741083916083916,
    "poorest_usage": 0.5821542778829211,
    "non_rivalry": 0.8383704131753829,
    "non_exclusion": 0.6785714285714286,
    "external_value": 0.2608330110662505,
    "publicness": 0.592591617604354,
    "publicness_geometric": 0.529417170507444,
    "static_loss": 0.28686046172496643,
}
OPEN = {
    "quality": 1.0263157894736843,
    "total_usage": 1.3836565096952909,
    "price": 0.15,
    "welfare": 0.9469302032882444,
    "gini": 0.12744471744471747,
    "poorest_usage": 0.9638000503651473,
    "non_rivalry": 0.8170705782312926,
    "non_exclusion": 0.9460227272727273,
    "external_value": 0.34519554752518783,
    "publicness": 0.7027629510097358,
    "publicness_geometric": 0.6437868614298593,
    "static_loss": 0.107335606646281,
}
PLANNED = {
    "total_usage": 3.8355445380013276,
    "welfare": 2.0871361206514494,
    "gini": 0.08939654892275697,
    "poorest_usage": 3.019153002437401,
    "non_rivalry": 0.8249724048254712,
    "non_exclusion": 1.0,
    "external_value": 0.45954839026008903,
    "publicness": 0.7615069316951867,
    "publicness_geometric": 0.7237527445462799,
}
ALONE = {
    "mass": (1.0,),
    "need": (1.0,),
    "developers": 1,
    "network_externality": 0.0,
    "rivalry": 0.0,
    "spillover": 0.0,
    "resource_cost": 0.0,
    "hosting_cost": 0.0,
}


def at(game, **fields):
    """The game with other parameters."""
    return dataclasses.replace(game, **fields)


@eqx.filter_jit
def reported(game):
    """Outcomes at the closed form."""
    investment = delayed_release_investment(game)
    return game.outcomes({"investment": jnp.broadcast_to(investment, (game.developers,))})


used = eqx.filter_jit(lambda game, invested: game.outcomes({"investment": invested}))
unchecked = eqx.filter_jit(lambda game: solve(game, Newton(), certify=False))
investment = eqx.filter_jit(delayed_release_investment)
regimes = eqx.filter_jit(lambda game: (closed_equilibrium(game), open_equilibrium(game)))
planned = eqx.filter_jit(lambda game: (planned_equilibrium(game), first_best(game, game.users())))
best_subsidy = eqx.filter_jit(best_open_subsidy)
benefit_of = eqx.filter_jit(lambda game, quality, usage: game.users().benefit(quality, usage))


@pytest.mark.parametrize(
    ("openness", "invested", "known"), [(0.0, 0.029073941134242647, CLOSED), (1.0, 0.008771929824561403, OPEN)]
)
def test_closed_and_open_have_the_known_numbers(openness, invested, known):
    game = at(GOOD, openness=openness)
    eq, formula = unchecked(game), reported(game)
    assert eq.status == Status.first_order
    np.testing.assert_allclose(eq.strategy["investment"], np.full(3, invested), rtol=1e-12)
    for name, value in known.items():
        np.testing.assert_allclose([eq.outcomes[name], formula[name]], value, rtol=1e-11, err_msg=name)
    regime = regimes(GOOD)[int(openness)]
    expected = [invested, *(known[name] for name in ("quality", "total_usage", "price", "welfare"))]
    np.testing.assert_allclose(regime, [*expected, eq.outcomes["consumer_surplus"]], rtol=1e-12)
    parts = ("consumer_surplus", "developer_profit", "complement_buyers_gain", "spillover_gain", "taxpayer_gain")
    np.testing.assert_allclose(sum(eq.outcomes[name] for name in parts), known["welfare"], rtol=1e-12)
    lost = eq.outcomes["static_loss"] + eq.outcomes["dynamic_loss"] + known["welfare"]
    np.testing.assert_allclose(lost, PLANNED["welfare"], rtol=1e-12)


def test_the_planner_has_the_known_numbers():
    game = PlannedGood()
    eq, (best, first) = unchecked(game), planned(game)
    assert eq.status == Status.first_order
    for name, value in PLANNED.items():
        np.testing.assert_allclose(eq.outcomes[name], value, rtol=1e-11, err_msg=name)
    expected = [0.3318745845335696, 1.9956237536007086, PLANNED["total_usage"], -0.43355445, PLANNED["welfare"]]
    np.testing.assert_allclose(best[:5], expected, rtol=1e-8)
    benefit = benefit_of(game, best.quality, first.usage)
    np.testing.assert_allclose(best.consumer_surplus, benefit - best.price * best.total_usage, rtol=1e-12)
    assert largest_gain(game, {name: np.asarray(value) for name, value in eq.strategy.items()}) <= 1e-12
    np.testing.assert_allclose(first.usage, eq.strategy["usage"], rtol=1e-12)


def test_one_developer_has_the_known_numbers():
    game = at(GOOD, **ALONE, investment_cost=4.0, complementary_revenue=0.5)
    for openness, welfare in ((0.0, 0.4489795918), (1.0, 0.6015625)):
        np.testing.assert_allclose(reported(at(game, openness=openness))["welfare"], welfare, atol=5e-11)
    assert planned(game)[0].welfare == pytest.approx(2 / 3, rel=1e-14)
    cheap = 2.6180339887
    for cost, better in ((cheap - 1e-6, False), (cheap + 1e-6, True)):
        there = at(game, investment_cost=cost, complementary_revenue=0.0)
        closed, opened = (float(reported(at(there, openness=x))["welfare"]) for x in (0.0, 1.0))
        assert (opened > closed) == better


BY_GROUP = {
    "gradient": {"hosting_gradient": 0.3},
    "steep": {"hosting_gradient": 3.0},
    "by group": {"hosting_cost": (0.4, 0.0, 0.25), "subsidy": 0.02, "hosting_support": 0.3, "access_fee": 0.07},
    "dear to the needy": {"hosting_cost": (0.1, 0.2, 2.0)},
    "nobody": {"hosting_cost": (3.0, 2.0, 2.0)},
}


@pytest.mark.parametrize("name", BY_GROUP)
def test_users_who_host_at_different_costs_use_what_brute_force_says(name):
    """The second excludes those who need the model least, the fourth those who need it most."""
    game = at(GOOD, openness=1.0, **BY_GROUP[name])
    need, mass = np.array([0.7, 1.0, 1.3]), np.array([0.3, 0.4, 0.3])
    quality = 1.0 + (0.2 + float(game.access_fee)) / (12.0 * (2.2 / 3 - 0.1))
    cost = np.asarray(game.hosting_cost) + float(game.hosting_gradient) * (1.0 - need)
    support = float(game.hosting_support) * np.maximum(cost - 0.1, 0.0)
    slope, price = 2.2 / 3, cost - support - float(game.subsidy) + float(game.access_fee)
    usage = np.zeros(3)
    for _ in range(60):
        usage = np.maximum(need * quality - price + 0.1 * mass @ usage, 0.0) / slope
    invested = jnp.full(3, (quality - 1.0) / 3)
    total, outcomes = mass @ usage, used(game, invested)
    np.testing.assert_allclose(outcomes["usage"], usage, rtol=1e-12)
    benefit = mass @ (need * quality * usage - slope * usage**2 / 2) + 0.1 * total**2
    outlay = mass @ ((support + float(game.subsidy)) * usage)
    welfare = benefit - mass @ (cost * usage) + 0.15 * total - 18.0 * invested[0] ** 2 - 0.2 * outlay
    expected = [mass @ price, welfare, benefit - mass @ (price * usage), mass[usage > 0.0].sum(), usage.min(), outlay]
    external = 0.15 * total + 0.1 * total**2
    expected.append(min(external / (benefit + 0.15 * total), 1.0) if total > 0.0 else 0.0)
    names = ("price", "welfare", "consumer_surplus", "served_share", "poorest_usage", "public_outlay", "external_value")
    np.testing.assert_allclose([outcomes[x] for x in names], expected, rtol=1e-12, atol=1e-15)
    between = np.abs(usage[:, None] - usage[None, :]) * mass[:, None] * mass[None, :]
    np.testing.assert_allclose(outcomes["gini"] * 2.0 * total, between.sum(), rtol=1e-12, atol=1e-15)
    people, share = lorenz_curve(outcomes["usage"], game.mass)
    if total > 0.0:
        np.testing.assert_allclose(1.0 - 2.0 * np.trapezoid(share, people), outcomes["gini"], rtol=1e-12)
    regime = regimes(game)[1]
    if usage.min() == 0.0:
        assert np.isnan(regime.welfare)
        return
    np.testing.assert_allclose(
        [regime.total_usage, regime.price, regime.welfare, regime.consumer_surplus], [total, *expected[:3]], rtol=1e-12
    )


def test_groups_that_host_at_different_costs_are_swept_and_leave_one_by_one():
    """The group in most need leaves, others take its place in a sweep over its own hosting cost."""
    axes = {"hosting_cost[2]": np.linspace(0.0, 2.0, 41)}
    data = sweep(at(mandated(GOOD), hosting_cost=(0.15, 0.3, 0.1)), axes, method=Newton(), certify=False)
    assert (data.status == Status.first_order).all()
    usage = data.usage.values
    assert (np.diff(usage[:, 2]) <= 1e-12).all() and usage[-1, 2] == 0.0 < usage[-1, :2].min()
    assert data.served_share.values[[0, -1]] == pytest.approx([1.0, 0.7])


@pytest.mark.parametrize("cost", [(0.1, 0.2), (0.1, -0.2, 0.3), -0.1, np.nan])
def test_a_hosting_cost_that_is_none_is_refused(cost):
    with pytest.raises(ValueError, match="one number, or one for each of the 3 user groups"):
        QuasiPublicGood(hosting_cost=cost)


def test_a_known_hosting_cost_may_be_closed_over():
    """Also one by group: that a number is known does not mean that a comparison of it is, under jit."""
    known = jnp.asarray((0.3, 0.15, 0.12))
    price = jax.jit(lambda spillover: QuasiPublicGood(hosting_cost=known, spillover=spillover).open_prices())
    np.testing.assert_allclose(price(0.1), known, rtol=1e-15)


def test_a_value_that_is_no_number_has_no_usage():
    users = GOOD.users()
    assert np.isnan(users.usage(jnp.asarray([1.0, jnp.nan, 0.3]))).all() and np.isnan(users.total(jnp.full(3, jnp.nan)))
    np.testing.assert_array_equal(users.usage(jnp.asarray([-1.0, -jnp.inf, -0.3])), 0.0)


def test_bounds_of_hosting_costs_are_in_order_and_names_are_those_of_the_game():
    game = at(GOOD, resource_cost=0.125, hosting_cost=(0.5, 0.25, 0.0625))
    bounds = instruments(game, "hosting_cost[0]", "hosting_cost[2]")
    assert bounds == {"hosting_cost[0]": (0.125, 0.5), "hosting_cost[2]": (0.0625, 0.0625)}
    with pytest.raises(GameError, match=r"no 'hosting_cost' in this game; there is .*hosting_cost\[0\], "):
        instruments(game, "hosting_cost")


@pytest.mark.parametrize("kind", [MixedOpenness, LogitAccess, ComputeCapacity])
def test_a_hosting_cost_by_group_is_refused_where_there_is_one_for_all(kind):
    with pytest.raises(ValueError, match=f"{kind.__name__}: hosting_cost must be one number"):
        kind(hosting_cost=(0.1, 0.15, 0.3))


OTHERS = [
    at(GOOD, openness=0.4, subsidy=0.05, cofunding=0.3),
    SimultaneousQuasiPublicGood(openness=0.2, subsidy=0.05, hosting_gradient=0.1, access_fee=0.1),
]


@pytest.mark.parametrize("game", OTHERS, ids=("delayed", "simultaneous"))
def test_no_developer_gains_by_a_deviation_from_the_closed_form(game):
    strategy = {"investment": np.full(3, investment(game))}
    if isinstance(game, SimultaneousQuasiPublicGood):
        users, quality = game.users(), 1.0 + 1.4 * strategy["investment"][0]
        slope = users.slope - users.network + (1.0 - users.network) / 3
        strategy["access"] = np.full(3, (quality - 0.05) / slope / 3)
    assert largest_gain(game, strategy) <= 1e-14
    wrong = strategy | {"investment": 1.01 * strategy["investment"]}
    assert largest_gain(game, wrong) > 1e-9


def test_the_access_stage_is_played_for_investment():
    """Rivals see investment: by substitution they sell less, so that more is invested than where they do not."""
    assert investment(GOOD) > investment(SimultaneousQuasiPublicGood()) > 0.0


def demand_price(mass, need, network, total):
    """The prices at which users, who may stay out, use so much in all, by bisection (quality and D = 1)."""
    low, high = np.full(total.shape, -5.0), np.full(total.shape, 5.0)
    for _ in range(60):
        price = (low + high) / 2.0
        used = np.sum(mass * np.maximum(need + (network * total - price)[:, None], 0.0), axis=1)
        low, high = np.where(used > total, price, low), np.where(used > total, high, price)
    return low


def test_equilibria_of_the_access_stage_are_those_of_brute_force():
    candidates = eqx.filter_jit(access_candidates)
    rng = np.random.default_rng(3)
    found = []
    for _ in range(12):
        mass, need = rng.dirichlet(np.full(3, 3.0)), np.sort(rng.uniform(0.1, 2.0, 3))
        users = at(GOOD, mass=mass, need=need, substitutability=1.0, network_externality=rng.uniform(0, 0.4)).users()
        network = float(users.network)
        every = candidates(users, jnp.asarray(1.0), jnp.ones(3), jnp.asarray(0.2))
        for quantity, is_equilibrium in zip(np.asarray(every.quantity[:, 0]), every.is_equilibrium, strict=True):
            tried = np.r_[quantity, np.linspace(0.0, 1.5, 151)]
            profit = tried * (demand_price(mass, need, network, 2 * quantity + tried) - 0.2)
            assert (np.max(profit) <= profit[0] + 1e-6) == bool(is_equilibrium)
        found.append(int(np.sum(every.is_equilibrium)))
    assert set(found) == {1, 2}  # with two prices of access: one for all, and one for those in need


def test_a_group_drops_out_of_a_closed_market_at_a_jump_and_of_an_open_one_smoothly():
    needs = np.linspace(0.02, 0.6, 117)
    axes = {"openness": [0.0, 1.0], "need[0]": needs}
    both = sweep(at(GOOD, need=(0.1, 1.0, 1.5)), axes, method=Newton(), certify=False)
    assert both.attrs["program"] == "kernel"
    assert np.all(both.status == Status.first_order)
    eq = {openness: both.sel(openness=openness) for openness in (0.0, 1.0)}
    for openness in eq:
        assert 0.7 in np.round(eq[openness].served_share.values, 12) and 1.0 in eq[openness].served_share
    jump = {openness: np.max(np.abs(np.diff(data.total_usage))) for openness, data in eq.items()}
    assert jump[0.0] > 0.05 and jump[1.0] < 0.01
    used = eq[1.0].usage.values[:, 0]
    assert used[0] == 0.0 and np.max(np.abs(np.diff(used))) < 0.03
    # Just above the jump the group has something, not next to nothing.
    closed = eq[0.0].usage.values[:, 0]
    assert np.min(closed[closed > 0.0]) > 0.04
    some = at(GOOD, need=(0.1, 1.0, 1.5))
    assert np.isnan(investment(some)) and np.isnan(investment(at(some, need=(0.02, 1.0, 1.5), openness=1.0)))


@pytest.mark.parametrize(
    "fields",
    [{"network_externality": 0.9}, {"investment_cost": 0.2}, {"openness": 1.0, "network_externality": 0.9}],
    ids=("network", "cheap", "open network"),
)
def test_without_a_bounded_solution_there_is_no_number(fields):
    game = at(GOOD, **fields)
    assert unchecked(game).status == Status.invalid_bounds
    assert np.isnan(investment(game))
    assert np.isnan(planned(game)[1].welfare)


def test_policies_cost_what_they_say():
    eq = {name: unchecked(game) for name, game in scenarios(GOOD, per_use=0.1, cofunding=0.5, saved=0.25).items()}
    assert all(each.status == Status.first_order for each in eq.values())
    outlay = {name: float(each.outcomes["public_outlay"]) for name, each in eq.items()}
    used = {name: float(each.outcomes["total_usage"]) for name, each in eq.items()}
    assert outlay["as it is"] == outlay["mandate"] == 0.0
    for name, cost in (("subsidy", 0.1), ("mandate and subsidy", 0.1), ("public compute", 0.75 * 0.05)):
        assert outlay[name] == pytest.approx(cost * used[name], rel=1e-12)
    invested = np.asarray(eq["partnership"].strategy["investment"])
    np.testing.assert_allclose(invested, np.full(3, 0.2 / (36.0 * 0.5 * (2.2 / 3 - 0.1))), rtol=1e-12)
    assert outlay["partnership"] == pytest.approx(0.5 * 6.0 * np.sum(invested**2), rel=1e-12)
    for each in eq.values():
        assert each.outcomes["taxpayer_gain"] == pytest.approx(-1.2 * float(each.outcomes["public_outlay"]), abs=1e-15)
    # Users pay the resource cost either way; what is saved is a gain of welfare.
    both = [regimes(public_compute(mandated(GOOD), saved=saved))[1] for saved in (0.25, 1.0)]
    np.testing.assert_allclose([each.price for each in both], 0.1, rtol=1e-14)
    gain = 0.75 * 0.05 * 1.2 * float(both[0].total_usage)
    assert both[1].welfare - both[0].welfare == pytest.approx(gain, rel=1e-12)
    # Also where hosting costs differ: nobody pays more than the resource cost, and who hosts for less is not taxed.
    dear = public_compute(at(mandated(GOOD), hosting_cost=(0.3, 0.15, 0.1), hosting_gradient=0.1), saved=0.25)
    np.testing.assert_allclose(dear.open_prices(), [0.1, 0.1, 0.07], rtol=1e-14)
    outcomes = reported(dear)
    premium = 0.75 * np.maximum(np.array([0.3, 0.15, 0.1]) + 0.1 * np.array([0.3, 0.0, -0.3]) - 0.1, 0.0)
    paid = np.sum(premium * np.array([0.3, 0.4, 0.3]) * outcomes["usage"])
    assert float(outcomes["public_outlay"]) == pytest.approx(float(paid), rel=1e-12)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"public_funds_cost": 0.0},
        {"public_funds_cost": 1.5, "spillover": 0.0},
        {"hosting_cost": (0.3, 0.15, 0.12), "hosting_support": 0.4, "access_fee": 0.03, "public_funds_cost": 0.05},
    ],
)
def test_no_subsidy_of_open_models_is_better_than_the_best(fields):
    game = at(mandated(GOOD), **fields)
    tried = np.linspace(0.0, 0.8, 801)
    welfare = np.asarray(jax.jit(jax.vmap(lambda tau: open_equilibrium(subsidized(game, tau)).welfare))(tried))
    best = best_subsidy(game)
    assert abs(tried[np.argmax(welfare)] - best) <= 5.1e-4
    assert regimes(subsidized(game, best))[1].welfare >= np.max(welfare) - 1e-15


def test_the_best_policy_is_found_by_climbing_through_the_equilibrium():
    good = at(GOOD, complementary_revenue=2.0)

    def policy(x):
        return subsidized(partnership(good, 1.0 - jnp.exp(-x[1])), x[0])

    def welfare(x):
        return unchecked(policy(x)).outcomes["welfare"]

    slope = jax.jit(jax.jacfwd(welfare))
    x = jnp.asarray([0.0, 0.2])
    differences = [(welfare(x + step) - welfare(x - step)) / 2e-5 for step in 1e-5 * np.eye(2)]
    np.testing.assert_allclose(slope(x), differences, rtol=1e-7)
    for _ in range(150):
        x = x + 0.4 * slope(x)
    assert np.max(np.abs(slope(x))) < 1e-6 and 0.1 < 1.0 - np.exp(-x[1]) < 0.9
    assert x[0] == pytest.approx(float(best_subsidy(policy(x))), abs=1e-6)
    near = [x + jnp.asarray(step) for step in ((0.0, 0.01), (0.0, -0.01), (0.01, 0.01), (-0.01, 0.0))]
    assert welfare(x) > max(welfare(there) for there in near)


def test_single_precision():
    eq = unchecked(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), GOOD))
    assert eq.status == Status.first_order and eq.outcomes["welfare"].dtype == jnp.float32
    np.testing.assert_allclose(eq.outcomes["welfare"], CLOSED["welfare"], rtol=1e-5)
    np.testing.assert_allclose(eq.outcomes["publicness"], CLOSED["publicness"], rtol=1e-5)
