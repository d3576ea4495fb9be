"""Policy design finds the known optimum, keeps to its budget, and prices it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import Array, Float

from nashgrid.games import (
    QuasiPublicGood,
    best_open_subsidy,
    equity_weighted,
    instruments,
    mandated,
    open_equilibrium,
    partnership,
    subsidized,
)
from nashgrid.solver import Game, GameError, Newton, NotSolvedError, Status, design, parameter


class Polluters(Game):
    """Cournot, P = 10 - Q, cost 1, with a harm of 4 per unit; there is no pure equilibrium above a tax of 8."""

    tax: Float[Array, ""] = parameter(0.0)
    cleaning: Float[Array, ""] = parameter(0.0)
    firms = ("A", "B")

    def bounds(self):
        return {"q": (0.0, jnp.where(self.tax < 8.0, 10.0, jnp.nan))}

    def payoff(self, s):
        return (9.0 - s["q"].sum() - self.tax) * s["q"]

    def outcomes(self, s):
        total = s["q"].sum()
        harm = 4.0 * total * jnp.square(1.0 - self.cleaning)
        cost = 2.0 * jnp.square(self.cleaning)
        return {"welfare": 9.0 * total - jnp.square(total) / 2.0 - harm - cost, "total": total, "spent": cost}


QUICK = {"method": Newton(), "certify": False}
TAX = {"tax": (-4.0, 9.0)}


def test_the_tax_of_polluting_oligopolists():
    """Q = 2 (9 - t)/3 is best at 5, so that t = 3/2: below the harm of 4, as they sell too little (Barnett 1980)."""
    found = design(Polluters(), "welfare", TAX)
    assert found.converged and int(found.equilibrium.status) == Status.successful
    assert found.values["tax"] == pytest.approx(1.5, abs=1e-6) and not found.at_bound
    assert found.objective == pytest.approx(12.5, rel=1e-12)
    assert np.isnan(found.shadow_price) and np.isnan(found.spent)
    np.testing.assert_allclose(found.equilibrium.strategy["q"], [2.5, 2.5], rtol=1e-6)
    assert isinstance(found.problem, Polluters) and float(found.problem.tax) == found.values["tax"]
    # It only ever climbs.
    assert found.trace["tax"][0] == 0.0 and (np.diff(found.trace["objective"]) > 0.0).all()


def test_a_limit_has_its_price_and_another_optimizer_ends_there_too():
    """dW/dQ = 5 - Q, which is 1 where Q may be 4 at most."""
    for optimizer in (None, optax.adam(0.05)):
        found = design(Polluters(), "welfare", TAX, budget=("total", 4.0), optimizer=optimizer, **QUICK)
        assert found.converged and int(found.equilibrium.status) == Status.first_order
        assert found.values["tax"] == pytest.approx(3.0, abs=1e-6)
        assert found.shadow_price == pytest.approx(1.0, rel=1e-6)
    slack = design(Polluters(), "welfare", TAX, budget=("total", 6.0), **QUICK)
    assert slack.values["tax"] == pytest.approx(1.5, abs=1e-6) and slack.shadow_price == 0.0
    assert "shadow price" in str(slack)
    with pytest.raises(NotSolvedError, match=r"'total' was to be at most 0.1, .* below 0.6"):
        design(Polluters(), "welfare", TAX, budget=("total", 0.1), **QUICK)


def test_bounds_hold_and_starts_without_an_equilibrium_are_passed_over():
    both = {"tax": (2.0, 9.0), "cleaning": (0.0, 0.2)}
    start = Polluters(tax=8.5)
    with pytest.raises(NotSolvedError, match="more than 1 starts"):
        design(start, "welfare", both, **QUICK)
    found = design(start, "welfare", both, starts=3, **QUICK)
    # Cleaner air makes a tax less desirable: both end where they may not go further.
    assert found.values == {"tax": 2.0, "cleaning": 0.2} and found.at_bound == ("tax", "cleaning")
    assert found.converged and "at its bound" in str(found)


def test_access_policies_keep_to_the_budget_and_spend_it_where_it_does_most():
    """The closed forms of the open regime: the best subsidy, and equal marginal welfare per unit of outlay."""
    game, wanted = mandated(QuasiPublicGood()), equity_weighted(0.0)
    boxes = instruments(game, "subsidy", "cofunding", cofunding=0.97)
    rich = design(game, wanted, boxes | {"cofunding": (0.0, 1e-12)}, budget=("public_outlay", 9.0), **QUICK)
    assert rich.values["subsidy"] == pytest.approx(float(jax.jit(best_open_subsidy)(game)), rel=1e-6)
    found = design(game, wanted, boxes, budget=("public_outlay", 0.8), **QUICK)
    assert found.converged and not found.at_bound and found.spent == pytest.approx(0.8, abs=1e-7)

    @jax.jit
    def both(policy):
        changed = partnership(subsidized(game, policy[0]), policy[1])
        end = open_equilibrium(changed)
        cost = changed.cofunding * 18.0 * jnp.square(end.investment)
        return jnp.stack([end.welfare, policy[0] * end.total_usage + cost])

    at = jnp.asarray([found.values["subsidy"], found.values["cofunding"]])
    welfare, outlay = np.asarray(jax.jit(jax.jacfwd(both))(at))
    np.testing.assert_allclose(welfare / outlay, [found.shadow_price] * 2, rtol=1e-4)
    np.testing.assert_allclose(both(at), [found.objective, found.spent], rtol=1e-12)


def _with(**changes):
    arguments = {"problem": Polluters(), "objective": "welfare", "fields": TAX}
    return lambda: design(**(arguments | changes))


@pytest.mark.parametrize(
    "call, says",
    [
        (_with(objective={}), "give the name of an outcome"),
        (_with(objective="welfaer"), "names neither a firm .* nor an outcome"),
        (_with(objective={"welfare": np.nan}), "weight of 'welfare' is nan"),
        (_with(fields={}), "give at least one parameter"),
        (_with(fields={"taxes": (0, 1)}), "did you mean 'tax'"),
        (_with(fields={"tax": (0.0, np.inf)}), "finite and in order"),
        (_with(fields={"tax": 3.0}), "two bounds"),
        (_with(budget="total"), "a name and a limit"),
        (_with(budget=("totals", 1.0)), "names neither"),
        (_with(budget=("total", np.inf)), "or no budget"),
        (_with(starts=0), "begin at least once"),
    ],
)
def test_wrong_arguments_are_refused(call, says):
    with pytest.raises(GameError, match=says):
        call()
