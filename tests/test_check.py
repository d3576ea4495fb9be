"""Every wrong definition is refused by a sentence that names what to change."""

import re
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.solver import (
    BestResponse,
    Game,
    GameError,
    GlobalSearch,
    Leader,
    Newton,
    NotSolvedError,
    Problem,
    Status,
    parameter,
    solve,
)


class Duopoly(Game):
    """A game that is right; each class below gets one thing wrong."""

    intercept: Float[Array, ""] = parameter(10.0)
    cost: Float[Array, " firm"] = parameter((1.0, 2.0))
    firms: Any = eqx.field(static=True, default=("A", "B"))

    def bounds(self) -> Any:
        return {"q": (0.0, 10.0)}

    def payoff(self, s) -> Any:
        return (self.intercept - jnp.sum(s["q"]) - self.cost) * s["q"]


class ScalarPayoff(Duopoly):
    def payoff(self, s):
        return jnp.sum(s["q"])


class ThreePayoffs(Duopoly):
    def payoff(self, s):
        return jnp.zeros(3) * jnp.sum(s["q"])


class ListPayoff(Duopoly):
    def payoff(self, s):
        return [-s["q"][0], -s["q"][1]]


class NoPayoff(Duopoly):
    def payoff(self, s):
        del s


class SinglePayoff(Duopoly):
    def payoff(self, s):
        return s["q"].astype(jnp.float32)


class IntegerPayoff(Duopoly):
    def payoff(self, s):
        return (s["q"] > 1.0).astype(int)


class Branching(Duopoly):
    def payoff(self, s):
        return s["q"] if s["q"][0] > 1.0 else -s["q"]


class Numpy(Duopoly):
    def payoff(self, s):
        return np.exp(np.asarray(s["q"]))


class ThreeBounds(Duopoly):
    def bounds(self):
        return {"q": (0.0, jnp.ones(3))}


class NoBounds(Duopoly):
    def bounds(self):
        return {}


class BareBounds(Duopoly):
    def bounds(self):
        return (0.0, 10.0)


class TripleBounds(Duopoly):
    def bounds(self):
        return {"q": (0.0, 1.0, 2.0)}


class MismatchedBounds(Duopoly):
    def bounds(self):
        return {"q": (jnp.zeros(2), jnp.ones(3))}


class Crossed(Duopoly):
    def bounds(self):
        return {"q": (jnp.asarray([0.0, 5.0]), 4.0)}


class UndefinedBound(Duopoly):
    def bounds(self):
        return {"q": (0.0, jnp.asarray([jnp.nan, 1.0]))}


class Undefined(Duopoly):
    def payoff(self, s):
        return jnp.log(s["q"] - jnp.asarray([9.0, 0.0])) - s["q"]


class Overlapping(Duopoly):
    def outcomes(self, s):
        return {"q": s["q"]}


class Reserved(Duopoly):
    def outcomes(self, s):
        return {"status": s["q"]}


class ListOutcomes(Duopoly):
    def outcomes(self, s) -> Any:
        return [s["q"]]


class UnknownOwner(Duopoly):
    def owners(self):
        return {"p": (0, 1)}


class FarOwner(Duopoly):
    def owners(self):
        return {"q": (0, 2)}


class NegativeOwner(Duopoly):
    def owners(self):
        return {"q": (0, -1)}


class Idle(Duopoly):
    def owners(self):
        return {"q": (0, 0)}


class TooManyOwners(Duopoly):
    def bounds(self):
        return {"q": (jnp.zeros(2), 1.0)}

    def owners(self):
        return {"q": (0, 1, 1)}


class UnknownStart(Duopoly):
    def start(self):
        return {"p": 1.0}


class LongStart(Duopoly):
    def start(self):
        return {"q": jnp.ones(3)}


class Counted(Duopoly):
    number: Any = 3


class Named(Duopoly):
    label: Any = "linear"


class Whole(Duopoly):
    size: Any = None


class Dataless(Duopoly):
    table: Any = None


class Follower(Duopoly):
    def outcomes(self, s):
        return {"total": jnp.sum(s["q"]), "share": s["q"] / jnp.sum(s["q"])}


single = jnp.float32

WRONG: dict[str, tuple[Problem | Any, str]] = {
    "payoff of one number": (ScalarPayoff(), r"payoff returned shape \(\).*2 firms \('A', 'B'\).*shape \(2,\)"),
    "payoff of another length": (ThreePayoffs(), r"payoff returned shape \(3,\).*shape \(2,\)"),
    "payoff as a list": (ListPayoff(), r"payoff"),
    "payoff without return": (NoPayoff(), r"payoff"),
    "payoff of another dtype": (SinglePayoff(), r"payoff returned dtype float32 for float64"),
    "payoff of integers": (IntegerPayoff(), r"payoff returned dtype int64"),
    "payoff with an if": (Branching(), r"payoff"),
    "payoff in NumPy": (Numpy(), r"payoff"),
    "payoff undefined at the start": (Undefined(), r"payoff of firm 'A' is nan at the start"),
    "bounds for another number of firms": (ThreeBounds(), r"'q' has bounds of shape \(3,\), but there are 2 firms"),
    "no bounds": (NoBounds(), r"bounds\(\) must return a dict"),
    "bounds without a name": (BareBounds(), r"bounds\(\) must return a dict"),
    "bounds of three": (TripleBounds(), r"bounds\(\) must return a dict: name of a strategy -> \(lower, upper\)"),
    "bounds of two shapes": (MismatchedBounds(), r"'q'"),
    "bounds crossed": (Crossed(), r"'q' of firm 'B' has lower bound 5.0 and upper bound 4.0"),
    "bounds undefined": (UndefinedBound(), r"'q' of firm 'A' has lower bound 0.0 and upper bound nan"),
    "outcome named like a strategy": (Overlapping(), r"outcomes\(\) reports 'q', which is taken"),
    "outcome with a reserved name": (Reserved(), r"outcomes\(\) reports 'status', which is taken"),
    "outcomes as a list": (ListOutcomes(), r"outcomes"),
    "owner of an unknown strategy": (UnknownOwner(), r"owners\(\) names \['p'\], but bounds\(\) has only \['q'\]"),
    "owner beyond the firms": (FarOwner(), r"owners\(\)\['q'\] = \(0, 2\) names a firm outside 0..1"),
    "owner below the firms": (NegativeOwner(), r"owners\(\)\['q'\] = \(0, -1\) names a firm outside 0..1"),
    "idle firm": (Idle(), r"Firms \['B'\] choose nothing"),
    "owners of another length": (TooManyOwners(), r"'q' has bounds of shape \(2,\), but there are 3 items in owners"),
    "start of an unknown strategy": (UnknownStart(), r"start\(\) names 'p', but the strategies are \['q'\]"),
    "start of another shape": (LongStart(), r"start"),
    "no firms": (Duopoly(firms=()), r"firms is \(\); give a tuple"),
    "a list of firms": (Duopoly(firms=["A", "B"]), r"firms"),
    "a firm twice": (Duopoly(firms=("A", "A")), r"firms has a name twice: \('A', 'A'\)"),
    "numbers for firms": (Duopoly(firms=(1, 2)), r"firms"),
    "a count among the fields": (Counted(), r"'number' is 3, a int: .*eqx.field\(static=True\)"),
    "a label among the fields": (Named(), r"'label' is 'linear', a str"),
    "an integer array": (Whole(size=jnp.arange(2)), r"'size' has dtype int64; parameters must be floating point"),
    "a truth value": (Whole(size=True), r"'size' is True, a bool"),
    "a complex array": (Whole(size=jnp.ones(2, complex)), r"'size' has dtype complex128"),
    "an object": (Dataless(table=object()), r"'table' holds a object"),
    "two dtypes": (Duopoly(intercept=jnp.asarray(10.0, single)), r"Duopoly mix the dtypes float32, float64"),
    "a parameter that is NaN": (Duopoly(cost=(1.0, jnp.nan)), r"'cost' is \[ ?1\. *nan\]; give finite numbers"),
    "an infinite parameter": (Duopoly(intercept=jnp.inf), r"'intercept' is inf; give finite numbers"),
    "a class": (Duopoly, r"Expected a Game or a Leader, got"),
    "a number": (3.0, r"Expected a Game or a Leader, got float"),
}


def _is_clear(error: GameError) -> bool:
    """One short text of whole sentences."""
    text = str(error)
    return len(text) <= 300 and bool(re.fullmatch(r"[^\n]+[.?]", text))


def _refused(run, message: str) -> None:
    with pytest.raises(GameError, match=message) as error:
        run()
    assert _is_clear(error.value), str(error.value)


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_definition_is_refused(what):
    problem, message = WRONG[what]
    _refused(lambda: solve(problem, Newton(), certify=False), message)


def test_the_right_definition_is_not():
    assert int(solve(Duopoly(), Newton(), certify=False).status) == Status.first_order


def test_a_refusal_has_no_remarks_of_jax_about_its_own_frames():
    with pytest.raises(GameError) as error:
        solve(ScalarPayoff())
    assert getattr(error.value, "__notes__", []) == []
    assert error.value.__cause__ is None


def test_games_without_what_must_be_written_cannot_be_made():
    class Empty(Game):
        firms = ("A",)

    with pytest.raises(TypeError, match="bounds"):
        Empty()  # pyright: ignore[reportAbstractUsage]


STARTS: dict[str, tuple[Any, str]] = {
    "unknown name": ({"p": 1.0}, r"start names 'p', but the strategies are \['q'\]"),
    "another shape": ({"q": [1.0, 2.0, 3.0]}, r"start\['q'\] has shape \(3,\); give a scalar or shape \(2,\)"),
    "not finite": ({"q": [1.0, np.nan]}, r"start\['q'\] is .*; give finite numbers"),
    "infinite": ({"q": np.inf}, r"start\['q'\] is inf; give finite numbers"),
    "text": ({"q": "one"}, r"start"),
    "a number": (1.0, r"start"),
}


@pytest.mark.parametrize("what", STARTS)
def test_a_wrong_start_is_refused(what):
    start, message = STARTS[what]
    _refused(lambda: solve(Duopoly(), Newton(), certify=False, start=start), message)


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "tol too small": ({"tol": 1e-15}, r"tol is 1e-15; in float64 it must be from 1.4e-14 \(64 eps\)"),
    "tol of one": ({"tol": 1.0}, r"tol is 1; .* below 1"),
    "tol negative": ({"tol": -1e-8}, r"tol is -1e-08"),
    "tol undefined": ({"tol": float("nan")}, r"tol is nan"),
    "no steps": ({"max_steps": 0}, r"max_steps is 0; give a whole number of at least 1"),
    "half a step": ({"max_steps": 1.5}, r"max_steps is 1.5"),
    "true steps": ({"max_steps": True}, r"max_steps is True"),
    "certify by a number": ({"certify": 32}, r"certify is 32; give True, False or GlobalSearch"),
    "method by name": ({"method": "newton"}, r"method is 'newton'; give a method object"),
    "method as a class": ({"method": Newton}, r"method is .*; give a method object"),
}


@pytest.mark.parametrize("what", OPTIONS)
def test_a_wrong_option_is_refused(what):
    options, message = OPTIONS[what]
    _refused(lambda: solve(Duopoly(), **options), message)


def test_in_single_precision_the_tolerance_is_coarser():
    game = jax.tree.map(lambda leaf: leaf.astype(single), Duopoly())
    _refused(lambda: solve(game, tol=1e-10), r"in float32 it must be from 7.6e-06 .*jax_enable_x64")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BestResponse(damping=0.0), r"damping is 0.0; give a number above 0 and at most 1"),
        (lambda: BestResponse(damping=1.5), r"damping is 1.5"),
        (lambda: BestResponse(memory=-1), r"memory"),
        (lambda: BestResponse(inner=0), r"inner"),
        (lambda: GlobalSearch(points=4), r"at least 8 points"),
        (lambda: GlobalSearch(joint=0), r"at least 1 joint"),
    ],
    ids=["damping 0", "damping 1.5", "memory", "inner", "points", "joint"],
)
def test_wrong_options_of_methods_are_refused(make, message):
    _refused(make, message)


LEADERS = {
    "nothing to choose from": (lambda: Leader(Follower(), "intercept", "total"), r"either choices=.* or interval="),
    "two ways to choose": (
        lambda: Leader(Follower(), "intercept", "total", choices=(1.0, 2.0), interval=(1.0, 2.0)),
        r"either choices=.* or interval=",
    ),
    "one choice": (lambda: Leader(Follower(), "intercept", "total", choices=(1.0,)), r"choices of a Leader.*two"),
    "falling choices": (lambda: Leader(Follower(), "intercept", "total", choices=(2.0, 1.0)), r"increasing"),
    "endless interval": (lambda: Leader(Follower(), "intercept", "total", interval=(0.0, np.inf)), r"finite"),
    "interval of three": (lambda: Leader(Follower(), "intercept", "total", interval=(0.0, 1.0, 2.0)), r"interval"),  # pyright: ignore[reportArgumentType]
    "unknown parameter": (
        lambda: Leader(Follower(), "intersept", "total", choices=(1.0, 2.0)),
        r"mean 'intercept'",
    ),
    "a whole array": (lambda: Leader(Follower(), "cost", "total", choices=(1.0, 2.0)), r"name one element.*cost\[0\]"),
    "element out of range": (lambda: Leader(Follower(), "cost[2]", "A", choices=(1.0, 2.0)), r"out of range"),
    "unknown maximand": (lambda: Leader(Follower(), "intercept", "profit", choices=(1.0, 2.0)), r"maximize='profit'"),
    "maximand by firm": (lambda: Leader(Follower(), "intercept", "share", choices=(1.0, 2.0)), r"shape \(2,\), not a"),
    "wrong game inside": (
        lambda: Leader(ScalarPayoff(), "intercept", "A", choices=(1.0, 2.0)),
        r"payoff returned shape",
    ),
    "no game inside": (lambda: Leader(3.0, "intercept", "A", choices=(1.0, 2.0)), r"neither a Game nor a Leader"),  # pyright: ignore[reportArgumentType]
}


@pytest.mark.parametrize("what", LEADERS)
def test_a_wrong_leader_is_refused(what):
    make, message = LEADERS[what]
    _refused(lambda: solve(make(), Newton(), certify=False), message)


def test_a_leader_has_no_start():
    leader = Leader(Follower(), "intercept", "total", choices=(1.0, 2.0))
    _refused(lambda: solve(leader, Newton(), certify=False, start={"intercept": 1.0}), r"start is for games")


def test_not_solved_says_how_it_ended_and_what_to_try():
    with pytest.raises(NotSolvedError) as error:
        solve(Duopoly(), BestResponse(finish=False), max_steps=1, certify=False)
    text = str(error.value)
    assert text.startswith("No equilibrium was found.\nmax_steps: Nash equilibrium")
    assert "Raise `max_steps`, try another `start`" in text
    assert "finish=False" in text and "1 steps, tol 1e-10, float64" in text


def test_while_tracing_nothing_is_raised_and_the_status_tells():
    status = jax.jit(lambda cost: solve(Duopoly(cost=cost), Newton(), certify=False).status)
    assert int(status(jnp.asarray([1.0, 2.0]))) == Status.first_order
    assert int(status(jnp.asarray([1.0, jnp.nan]))) == Status.nonfinite
    with pytest.raises(GameError, match="payoff returned shape"):
        jax.jit(lambda cost: solve(ScalarPayoff(cost=cost)).status)(jnp.ones(2))


def test_every_status_says_what_to_do():
    for status in Status:
        assert status.message.endswith(".") and "\n" not in status.message
    assert Status.not_computed == 0, "an unwritten store reads as 0"
