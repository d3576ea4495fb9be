"""What makes `solve` compile again: the structure of a problem and the options, never a number."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from nashgrid.solver import BestResponse, Game, Leader, Newton, _solve, parameter, solve, sweep
from nashgrid.solver import _quick as _quick_programs

_traced: list[str] = []
"""One entry for every time that JAX traces a payoff below; compiled programs add none."""


class Counted(Game):
    intercept: Float[Array, ""] = parameter(10.0)
    cost: Float[Array, " firm"] = parameter((1.0, 2.0))
    taxed: bool = eqx.field(static=True, default=False)

    @property
    def firms(self):
        return tuple("ABCDEF"[: self.cost.shape[-1]])

    def bounds(self):
        return {"q": (0.0, self.intercept)}

    def payoff(self, s):
        _traced.append("payoff")
        return (self.intercept - jnp.sum(s["q"]) - self.cost) * s["q"]

    def outcomes(self, s):
        return {"total": jnp.sum(s["q"])}


class Large(Counted):
    """The same, with a payoff that is an average over many states of the market."""

    def payoff(self, s):
        states = jnp.linspace(-1.0, 1.0, 50)
        return jnp.mean(states[:, None] + Counted.payoff(self, s)[None, :], axis=0)


def _traces(run) -> int:
    _traced.clear()
    run()
    return len(_traced)


def _quick(game, **options):
    return solve(game, Newton(), certify=False, **options)


@pytest.fixture(scope="module", autouse=True)
def _first_solve():
    assert _traces(lambda: _quick(Counted())) > 0


@pytest.mark.parametrize(
    "game",
    [
        Counted(intercept=11.0),
        Counted(intercept=12),
        Counted(intercept=np.float64(13.0), cost=[1, 2]),
        Counted(intercept=jnp.asarray(14.0), cost=np.array([3.0, 1.0])),
        Counted(cost=(jnp.asarray(1.5), 2.5)),
    ],
    ids=["float", "integer", "numpy", "array", "mixed"],
)
def test_no_value_of_a_parameter_compiles_again(game):
    assert _traces(lambda: _quick(game)) == 0
    np.testing.assert_allclose(
        _quick(game).strategy["q"], (game.intercept + np.sum(game.cost)) / 3 - game.cost, rtol=1e-12
    )


def test_a_parameter_replaced_by_a_python_number_does_not_compile_again():
    replaced = [eqx.tree_at(lambda g: g.intercept, Counted(), value) for value in (20.0, 21.0, 22.0)]
    assert _traces(lambda: [_quick(game) for game in replaced]) == 0


def test_other_shapes_static_fields_dtypes_and_options_compile_again():
    assert _traces(lambda: _quick(Counted(cost=(1.0, 2.0, 3.0)))) > 0
    assert _traces(lambda: _quick(Counted(taxed=True))) > 0
    assert _traces(lambda: _quick(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), Counted()))) > 0
    assert _traces(lambda: _quick(Counted(), tol=1e-6)) > 0
    assert _traces(lambda: solve(Counted(), BestResponse(finish=False), certify=False)) > 0


def test_equal_options_do_not_compile_again():
    assert _traces(lambda: solve(Counted(), Newton(), certify=False, tol=1e-10, max_steps=256)) == 0


def test_no_value_of_a_start_compiles_again():
    _quick(Counted(), start={"q": jnp.asarray([1.0, 1.0])})
    assert _traces(lambda: _quick(Counted(), start={"q": jnp.asarray([2.0, 1.0])})) == 0
    _quick(Counted(), start={"q": 1.0})
    assert _traces(lambda: [_quick(Counted(), start={"q": value}) for value in (2.0, 3.0)]) == 0
    _quick(Counted(), start={"q": [1.0, 1.0]})
    assert _traces(lambda: [_quick(Counted(), start={"q": [value, 1.0]}) for value in (2.0, 3.0)]) == 0


def test_no_choice_of_a_leader_compiles_again():
    def lead(*choices):
        return solve(Leader(Counted(), "cost[0]", "total", choices=choices), Newton(), certify=False)

    lead(1.0, 2.0)
    assert _traces(lambda: lead(1.5, 3.0)) == 0
    assert float(lead(1.5, 3.0).strategy["cost[0]"]) == 1.5


def test_solve_inside_a_compiled_function_is_traced_with_it_once():
    calls = []

    @jax.jit
    def quantities(intercept):
        calls.append("call")
        return _quick(Counted(intercept=intercept)).strategy["q"]

    np.testing.assert_allclose(quantities(jnp.asarray(10.0)), [10 / 3, 7 / 3], rtol=1e-12)
    assert _traces(lambda: quantities(jnp.asarray(11.0))) == 0
    assert len(calls) == 1


def test_a_shape_is_traced_once_however_many_points_are_solved():
    game = Counted(cost=(1.0, 2.0, 1.5, 2.5))
    other = Counted(intercept=12.0, cost=(2.0, 1.0, 1.0, 1.0))
    # What it is checked with and how it is compiled, how smooth it is, the method, its step without bounds, and the
    # payoffs that are reported.
    assert _traces(lambda: _quick(game)) <= 8
    assert _traces(lambda: _quick(other)) == 0
    many = jax.jit(jax.vmap(lambda intercept: _quick(Counted(intercept, game.cost)).payoff))
    assert _traces(lambda: many(jnp.linspace(9.0, 11.0, 3))) <= 7  # None where JAX knows the program of one already.
    assert _traces(lambda: many(jnp.linspace(10.0, 12.0, 3))) == 0

    def swept(values, chunk=4):
        return lambda: sweep(game, {"intercept": values}, method=Newton(), certify=False, chunk=chunk, progress=False)

    one_block = _traces(swept(np.linspace(9.0, 11.0, 4)))
    assert 0 < one_block <= 12
    assert _traces(swept(np.linspace(9.0, 12.0, 8))) == 0  # Two blocks of the same width.


def test_a_small_game_is_compiled_fast_where_jax_allows_it(monkeypatch):
    kinds = []
    # Where XLA refuses the options, what would have them is compiled without.
    fast = _solve._compiled_fast if _quick_programs._known() else _solve._compiled
    for name, program in (("_compiled", _solve._compiled), ("_compiled_fast", fast)):
        monkeypatch.setattr(_solve, name, lambda *a, name=name, program=program: kinds.append(name) or program(*a))
    monkeypatch.setattr(_quick_programs, "_known", lambda: True)
    _quick(Counted())
    _quick(Counted(cost=(1.0,) * 5), start={"q": 1.0})
    jax.grad(lambda game: _quick(game).payoff[0])(Counted())
    jax.jit(lambda: _quick(Counted()).payoff)()
    _quick(Large())
    assert kinds == ["_compiled_fast"] * 2 + ["_compiled"] * 3
    led = Leader(Counted(), "intercept", "1", interval=(9.0, 11.0))  # However long, it is the small payoffs' program.
    assert _quick_programs.quick(led)
    assert not _quick_programs.quick(Leader(Large(), "intercept", "1", interval=(9.0, 11.0)))
    monkeypatch.setattr(_quick_programs, "_known", lambda: False)
    _quick(Counted())
    assert kinds[-1] == "_compiled"
