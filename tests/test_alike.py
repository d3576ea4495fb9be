"""Loops whose state varies between lanes from the start: traced once, and the same numbers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import Primitive, jaxprs_in_params
from jax.interpreters import ad, batching

from nashgrid.solver import BestResponse, GlobalSearch, _equilibrium
from nashgrid.solver._alike import alike
from tests.small_games import Duopoly

BATCHED: list[int] = []
"""An entry for each time that JAX batched `seen`."""


def _batched(values, places):
    BATCHED.append(1)
    return seen.bind(*values), places[0]


seen = Primitive("seen")
"""What it is given; counts how often it is batched."""
seen.def_impl(lambda x: x)
seen.def_abstract_eval(lambda x: x)
ad.defjvp(seen, lambda slope, x: slope)
batching.primitive_batchers[seen] = _batched


@pytest.mark.parametrize("like", [(jnp.asarray([jnp.nan, 1.0]), 3), jnp.asarray(2), {"a": jnp.zeros(0), "b": ""}])
def test_the_numbers_are_the_same(like):
    state = (jnp.asarray([jnp.nan, jnp.inf, -0.0]), jnp.asarray(3, jnp.int32), jnp.asarray(True), None)
    for made in (alike(state, like), jax.jit(lambda state: alike(state, like))(state)):
        assert jax.tree.structure(made) == jax.tree.structure(state)
        for old, new in zip(jax.tree.leaves(state), jax.tree.leaves(made), strict=True):
            assert old.dtype == new.dtype
            assert np.asarray(old).tobytes() == np.asarray(new).tobytes()


def test_a_step_is_traced_once():
    def lane(begins_alike, most):
        def step(state):
            x, before, steps = state
            return seen.bind(x) + jnp.minimum(most, 1.0), jnp.maximum(x, before), steps + 1

        state = (jnp.zeros(()), jnp.zeros(()), jnp.zeros((), jnp.int32))
        begin = alike(state, most) if begins_alike else state
        return jax.lax.while_loop(lambda state: state[0] < most, step, begin)

    most = jnp.asarray([2.0, 0.0, 3.0])
    counts = []
    for begins_alike in (True, False):
        BATCHED.clear()
        made = jax.make_jaxpr(jax.vmap(lambda most, a=begins_alike: lane(a, most)))(most)
        counts.append(len(BATCHED))
        assert sum(equation.primitive.name == "while" for equation in made.jaxpr.eqns) == 1
    assert counts[0] == 1 < counts[1]


class Seen(Duopoly):
    """The same; how often its payoff is batched is counted."""

    def payoff(self, s):
        return super().payoff({"q": seen.bind(s["q"])})


def _count(jaxpr):
    """How often `seen` is in a program, and in those within it."""
    within = sum(_count(part) for equation in jaxpr.eqns for part in jaxprs_in_params(equation.params))
    return within + sum(equation.primitive is seen for equation in jaxpr.eqns)


@pytest.mark.parametrize("search", [None, GlobalSearch(points=8)], ids=["first order", "certified"])
def test_no_loop_of_the_solver_is_traced_again(search):
    """In a batch the payoff is batched once more wherever it is evaluated, and not again wherever a loop is."""

    def solved(cost):
        game = eqx.tree_at(lambda game: game.cost, Seen(), cost)
        return _equilibrium.equilibrium(game, BestResponse(), tol=1e-10, max_steps=64, search=search).strategy

    def batched(function, costs):
        BATCHED.clear()
        return jax.make_jaxpr(function)(costs), len(BATCHED)

    one, before = batched(solved, jnp.ones(2))
    _, after = batched(jax.vmap(solved), jnp.ones((3, 2)))
    assert after == before + _count(one.jaxpr)
