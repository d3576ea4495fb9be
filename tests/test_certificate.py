"""The evidence: right numbers, and no profile that is not an equilibrium passes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.games import NicheDemand, ResearchSpillovers
from nashgrid.solver import BestResponse, Game, Newton, Status, parameter, solve
from tests.closed_forms import CASES
from tests.judged import Known, Quadratic, WrongDerivative, evidence, judge, quadratic

RAGGED = (0, 1, 1, 2, 1)
OWNERS = {"one each": (0, 1, 2), "ragged": RAGGED}


def _sizes(known: Known, z: np.ndarray) -> np.ndarray:
    """sigma: all entries have one name, hence one size, that of the largest now or after an own Newton step."""
    ahead = np.clip(z + known.gradient(z) / np.abs(np.diag(known.jacobian)), known.lower, known.upper)
    return np.full(len(z), max(np.abs(z).max(), np.abs(ahead).max()))


def _evidence(known: Known, z: np.ndarray) -> dict[str, float]:
    """The certificate by its definition, in NumPy."""
    h, g, size = np.abs(np.diag(known.jacobian)), known.gradient(z), _sizes(known, z)
    ahead = z + g / h
    free = (ahead > known.lower) & (ahead < known.upper)
    residual = np.max(np.abs(np.clip(ahead, known.lower, known.upper) - z) / size)
    inside = np.ix_(free, free)
    scaled = (known.jacobian / h[:, None] * size[None, :] / size[:, None])[inside]
    owner = known.owner[free]
    own = np.where(owner[:, None] == owner[None, :], known.jacobian[inside], 0.0)
    response = -np.linalg.solve(own, known.jacobian[inside] - own)
    hessian = own / np.sqrt(h[free][:, None] * h[free][None, :])
    blocks = [hessian[np.ix_(owner == i, owner == i)] for i in set(owner)]
    margins = np.where(free, np.minimum(z - known.lower, known.upper - z) / size, np.abs(g) / (h * size))
    step = np.linalg.solve(known.jacobian[inside], -g[free]) / size[free]
    return {
        "residual": residual,
        "stability": np.abs(np.linalg.eigvals(response)).max(),
        "concavity": max(np.linalg.eigvalsh((b + b.T) / 2).max() for b in blocks),
        # The held strategies are rows of the identity.
        "conditioning": np.linalg.cond(_with_identity(scaled, free), np.inf),
        "margin": margins.min(),
        "error": max(residual, np.abs(step).max()),
    }


def _with_identity(scaled: np.ndarray, free: np.ndarray) -> np.ndarray:
    whole = -np.eye(len(free))
    whole[np.ix_(free, free)] = scaled
    return whole


@pytest.mark.parametrize("owner", OWNERS.values(), ids=OWNERS)
def test_evidence_by_its_definition(owner):
    game = quadratic(owner, seed=len(owner))
    known = Known(game)
    equilibrium = known.equilibrium()
    away = equilibrium + np.random.default_rng(1).normal(size=len(owner))
    # A bound that binds, one strategy at it.
    bounded = eqx.tree_at(lambda g: g.upper, game, game.upper.at[1].set(equilibrium[1] - 0.1))
    at_bound = np.r_[equilibrium[0] + 0.01, equilibrium[1] - 0.1, equilibrium[2:] + 0.01]
    for one, z in ((game, equilibrium), (game, away), (bounded, at_bound)):
        certificate = evidence(judge(one, {"z": jnp.asarray(z)}))
        for name, value in _evidence(Known(one), z).items():
            # 1e-8: eigenvalues come from powers up to 2^30; residual and error are differences of order-one numbers.
            got = float(getattr(certificate, name))
            assert got == pytest.approx(value, rel=1e-8, abs=1e-13), (name, z is at_bound)


def test_evidence_where_everything_is_held():
    game = quadratic(RAGGED, seed=0)
    held = eqx.tree_at(lambda g: (g.lower, g.upper), game, (jnp.ones(5), jnp.ones(5)))
    result = judge(held, {"z": jnp.ones(5)})
    assert int(result.status) == Status.successful
    assert float(evidence(result).concavity) == -np.inf
    assert float(evidence(result).stability) == 0.0
    assert float(evidence(result).margin) == np.inf


@pytest.mark.parametrize("owner", OWNERS.values(), ids=OWNERS)
def test_gains_and_deviations(owner):
    game = quadratic(owner, seed=7)
    known = Known(game)
    z = known.equilibrium() + np.random.default_rng(2).normal(size=len(owner))
    certificate = evidence(judge(game, {"z": jnp.asarray(z)}))
    gains = known.gains(z)
    # The compass search along the axes ends close to, and never above, the top of the payoff.
    assert np.all(np.asarray(certificate.gain) <= gains * (1 + 1e-9))
    np.testing.assert_allclose(certificate.gain, gains, rtol=1e-3)
    for i in range(known.firms):
        moved = np.where(known.owner == i, np.asarray(certificate.deviation["z"]), z)
        gained = (known.payoff(moved) - known.payoff(z))[i]
        np.testing.assert_allclose(certificate.gain[i], gained, rtol=1e-9, atol=1e-12)
    assert float(certificate.regret) == np.max(certificate.gain / certificate.payoff_scale)


def test_an_equilibrium_passes_and_its_neighbours_do_not():
    game = quadratic(RAGGED, seed=3)
    equilibrium = Known(game).equilibrium()
    assert int(judge(game, {"z": jnp.asarray(equilibrium)}).status) == Status.successful
    size = np.abs(equilibrium).max()
    for step in (1e-9, 1e-6, 1e-3, 1.0):
        for j in range(5):
            other = equilibrium + step * size * np.eye(5)[j]
            result = judge(game, {"z": jnp.asarray(other)})
            assert int(result.status) == Status.max_steps
            # The game is quadratic: one Newton step is the whole way.
            distance = np.abs(other - equilibrium).max() / _sizes(Known(game), other)[0]
            assert float(evidence(result).error) == pytest.approx(distance, rel=0.5)
            assert float(evidence(result).error) >= 0.999 * distance


@pytest.mark.parametrize("name", ["cournot_duopoly", "cournot_three", "cournot_inactive", "cournot_five"])
def test_stability_is_what_theocharis_found(name):
    case = next(case for case in CASES if case.name == name)
    active = int(np.sum(case.strategy["quantity"] > 0))
    certificate = evidence(_judged_case(case))
    assert float(certificate.stability) == pytest.approx((active - 1) / 2, rel=1e-8)


def _judged_case(case, gap: float = 0.0, **options):
    return judge(case.problem, {name: jnp.asarray(value) + gap for name, value in case.strategy.items()}, **options)


def test_a_step_beyond_the_tolerance_is_too_far():
    case = next(case for case in CASES if case.name == "cournot_three")
    # Moved by `gap` each, own best responses are (n + 1)/2 gap away, relative to a largest quantity of 3.
    for gap, status in ((1e-12, Status.successful), (1e-10, Status.successful), (2e-10, Status.max_steps)):
        assert int(_judged_case(case, gap).status) == status


@pytest.mark.parametrize("price", [1.757, 22.987])
def test_first_and_second_order_conditions_are_not_enough(price):
    result = solve(NicheDemand(), Newton(), start={"price": jnp.full(2, price)}, throw=False)
    np.testing.assert_allclose(result.strategy["price"], price, atol=5e-4)
    assert float(evidence(result).residual) <= 1e-10
    assert float(evidence(result).concavity) < 0
    assert int(result.status) == Status.deviation_found
    assert float(evidence(result).regret) > 1e-3
    escaped = solve(NicheDemand(), start={"price": jnp.full(2, price)})
    np.testing.assert_allclose(np.sort(escaped.strategy["price"]), [2.168, 25.157], atol=5e-4)


@pytest.mark.parametrize("wrong", [0.5, 1e-2, 1e-3, 1e-4, -1e-4, -1e-2, -0.5])
def test_a_wrong_derivative_does_not_certify_itself(wrong):
    result = solve(WrongDerivative(wrong), Newton(), throw=False)
    np.testing.assert_allclose(result.strategy["x"], 1 + wrong, rtol=1e-9)
    assert float(evidence(result).residual) <= 1e-10
    assert int(result.status) == Status.deviation_found
    # The gain of a parabola: its distance from the top, squared.
    assert float(evidence(result).gain[0]) == pytest.approx(wrong**2, rel=1e-2)


class HeldFixed(Game):
    """x (2 - x), best at 1 to its derivative, and waves that the derivative is told to ignore."""

    height: Float[Array, ""] = parameter(0.1)
    firms = ("A",)

    def bounds(self):
        return {"x": (0.0, 2.0)}

    def payoff(self, s):
        x = s["x"]
        return x * (2.0 - x) + self.height * jax.lax.stop_gradient(jnp.sin(5.0 * (x - 1.0)))


def test_what_derivatives_are_told_to_ignore_counts():
    result = solve(HeldFixed(), Newton(), throw=False)
    assert float(evidence(result).residual) <= 1e-10 and int(result.status) == Status.deviation_found
    assert float(evidence(result).gain[0]) > 1e-3
    assert bool(solve(HeldFixed(0.0), Newton()).successful)


def test_the_right_derivative_does():
    assert bool(solve(WrongDerivative(0.0), Newton()).successful)


class Hotelling(Game):
    """Price competition on a line with linear transport costs: undercutting takes the whole market."""

    place: Float[Array, " firm"] = parameter((0.1, 0.1))
    firms = ("left", "right")

    def bounds(self):
        return {"price": (0.0, 5.0)}

    def payoff(self, s):
        p, distance = s["price"], 1.0 - jnp.sum(self.place)
        lead = p[::-1] - p
        share = self.place + distance / 2.0 + lead / 2.0
        return p * jnp.where(lead > distance, 1.0, jnp.where(lead < -distance, 0.0, share))


class Contest(Game):
    """x^r/(x^r + y^r) - x: no equilibrium in pure strategies for r > 2."""

    power: Float[Array, ""] = parameter(2.2)
    firms = ("A", "B")

    def bounds(self):
        return {"effort": (1e-3, 1.0)}

    def payoff(self, s):
        x = jnp.power(s["effort"], self.power)
        return x / jnp.sum(x) - s["effort"]


METHODS = [BestResponse(), Newton()]


@pytest.mark.parametrize("method", METHODS, ids=["default", "newton"])
def test_without_a_pure_equilibrium_none_is_found(method):
    # Efforts of r/4 satisfy all local conditions; so do prices of 1 when the shops are close.
    for game, start in (
        (Contest(), {"effort": jnp.asarray([0.55, 0.55])}),
        (Contest(), {"effort": jnp.asarray([0.2, 0.4])}),
        (Hotelling(place=(0.4, 0.4)), {"price": jnp.asarray([1.0, 1.0])}),
        (Hotelling(place=(0.4, 0.4)), {"price": jnp.asarray([0.3, 0.5])}),
    ):
        assert not bool(solve(game, method, start=start, throw=False).successful)


def test_where_they_have_one_it_is_found():
    for start in ([0.4, 0.4], [0.2, 0.4]):
        contest = solve(Contest(1.8), start={"effort": jnp.asarray(start)})
        np.testing.assert_allclose(contest.strategy["effort"], 0.45, rtol=1e-9)
    for start in ([1.0, 1.0], [0.3, 0.5]):
        shops = solve(Hotelling(), start={"price": jnp.asarray(start)})
        np.testing.assert_allclose(shops.strategy["price"], 1.0, rtol=1e-9)


class Roots(Game):
    """sqrt(limit - x) + x/2, undefined above the limit; its best is limit - 1."""

    limit: Float[Array, ""] = parameter(1.5)
    upper: Float[Array, ""] = parameter(2.0)
    firms = ("A",)

    def bounds(self):
        return {"x": (0.0, self.upper)}

    def payoff(self, s):
        return jnp.sqrt(self.limit - s["x"]) + 0.5 * s["x"]


def test_a_payoff_that_is_nan_within_the_bounds_is_nonfinite():
    start = {"x": jnp.asarray([0.3])}
    assert int(solve(Roots(), Newton(), start=start, throw=False).status) == Status.nonfinite
    assert int(solve(Roots(upper=1.5), Newton(), start=start).status) == Status.successful


class AlmostSingular(Game):
    """At 0 the payoff falls almost vertically, with a curvature of 1e36, and is far below the one at 2."""

    firms = ("A",)

    def bounds(self):
        return {"x": (0.0, 2.0)}

    def payoff(self, s):
        return 0.5 * s["x"] - 1e-3 * jnp.sqrt(s["x"] + 1e-26)


def test_no_curvature_is_so_large_that_it_hides_a_gain():
    found = solve(AlmostSingular(), Newton(), start={"x": 0.0}, throw=False)
    assert found.status != Status.successful
    assert found.certificate is not None and found.certificate.regret > 1e-5
    assert found.certificate.gain[0] == pytest.approx(1.0 - 1e-3 * np.sqrt(2.0))


class Logarithm(Game):
    """log x - x: minus infinity at the lower bound, which nobody chooses."""

    weight: Float[Array, ""] = parameter(1.0)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (0.0, 4.0)}

    def payoff(self, s):
        return self.weight * jnp.log(s["x"]) - s["x"] - 0.1 * s["x"] * s["x"][::-1]


def test_minus_infinity_at_a_bound_is_no_obstacle():
    x = (np.sqrt(1.4) - 1) / 0.2  # 1/x = 1 + x/10
    for start in (1.0, 4.0, 1e-3, 0.0):
        result = solve(Logarithm(), start={"x": jnp.full(2, start)}, throw=False)
        assert int(result.status) == Status.successful, start
        np.testing.assert_allclose(result.strategy["x"], x, rtol=1e-9)


class Ramp(Game):
    """slope x + 0.01 x y, without an upper bound."""

    slope: Float[Array, ""] = parameter(1.0)
    upper: Float[Array, ""] = parameter(jnp.inf)
    firms = ("A", "B")

    def bounds(self):
        return {"x": (0.0, self.upper)}

    def payoff(self, s):
        return self.slope * s["x"] + 0.01 * s["x"] * s["x"][::-1]


@pytest.mark.parametrize("method", METHODS, ids=["default", "newton"])
def test_a_strategy_that_grows_without_end_is_unbounded(method):
    assert int(solve(Ramp(), method, throw=False).status) == Status.unbounded
    assert int(solve(Ramp(), method, certify=False, throw=False).status) == Status.unbounded
    np.testing.assert_array_equal(solve(Ramp(upper=3.0), method).strategy["x"], 3.0)
    np.testing.assert_array_equal(solve(Ramp(slope=-1.0, upper=3.0), method).strategy["x"], 0.0)


def test_crossed_bounds_are_invalid():
    for upper in (-1.0, np.nan):
        assert int(solve(Ramp(upper=upper), Newton(), throw=False).status) == Status.invalid_bounds


def test_in_a_batch_every_lane_has_its_own_status():
    lanes = jax.vmap(lambda upper, slope: solve(Ramp(slope, upper), Newton(), throw=False).status)
    status = lanes(jnp.asarray([3.0, -1.0, jnp.inf, 3.0]), jnp.asarray([1.0, 1.0, 1.0, jnp.nan]))
    expected = [Status.successful, Status.invalid_bounds, Status.unbounded, Status.nonfinite]
    np.testing.assert_array_equal(status, expected)


def test_in_single_precision_the_evidence_is_the_same_but_coarser():
    # One strategy of the firm with three is at its bound, and the others own fewer.
    game = quadratic(RAGGED, seed=5)
    known = Known(game)
    top = known.equilibrium()[1] - 0.1
    bounded: Quadratic = eqx.tree_at(lambda g: g.upper, game, game.upper.at[1].set(top))
    free = np.arange(5) != 1
    inside = known.jacobian[np.ix_(free, free)]
    z = np.full(5, top)
    z[free] = np.linalg.solve(inside, -(known.slope[free] + known.jacobian[free, 1] * top))
    double = judge(bounded, {"z": jnp.asarray(z)})
    single = judge(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), bounded), {"z": jnp.asarray(z, jnp.float32)})
    for name in ("concavity", "stability", "conditioning", "margin"):
        value = float(getattr(evidence(double), name))
        # A few hundred roundings of numbers up to the conditioning (about 3).
        assert float(getattr(evidence(single), name)) == pytest.approx(value, rel=1e-4), name
    assert int(double.status) == int(single.status) == Status.successful


def test_an_unstable_equilibrium_is_one():
    result = solve(ResearchSpillovers(intercept=2.0, cost=(1.0, 1.0), research_cost=1.0, spillover=0.1))
    assert float(evidence(result).stability) == pytest.approx(1.7079, abs=5e-5)
    assert bool(result.successful)
