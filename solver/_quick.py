"""Compiled fast instead of optimized: programs that solve one small game once, or look for what a leader chooses from
an interval before one.

Such a program runs for a millisecond and compiles for seconds, most of it for the kernels that XLA makes of the
operations of a processor core one by one, and for optimizing them, which pays only over many points, as in a sweep.
Without both, in XLA's older and simpler way, the first answer comes two to four times sooner, and later ones take as
long as before, or a few milliseconds instead of one. Games of whole paths have longer programs, which take seconds to
compile like this and a minute otherwise; of 40 periods a later call takes two seconds instead of half of one.
"""

import functools
import importlib.metadata
from typing import Any

import jax
from jax.core import Tracer

from . import _numpy as jnp
from ._check import shaped, structure
from ._game import Game, Problem
from ._jaxprs import called
from ._layout import layout_of
from ._leader import Leader
from ._path_game import PathGame

OPTIONS = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}
"""Of XLA, for programs that are compiled fast."""
_NUMBERS = 16
"""The most in an array of a small game's payoff: with 20 firms a later call takes thrice as long, with 2 as long."""


def quick(problem: Problem, *others: Any) -> bool:
    """Whether the program that solves `problem` should be compiled with `OPTIONS`."""
    if jax.default_backend() != "cpu" or not _known():
        return False
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((problem, others))):
        return False
    # Refused by JAX in a program that is part of another one, where arrays that are made now are traced.
    return (isinstance(problem, PathGame) or _small(structure(problem))) and not isinstance(jnp.zeros(()), Tracer)


@functools.cache
def _known() -> bool:
    """Whether this version of XLA has the options and gains by them; later ones compile fast by themselves."""
    return importlib.metadata.version("jaxlib").startswith("0.10.")


@functools.lru_cache(maxsize=1024)
def _small(key: tuple) -> bool:
    game = shaped(key)
    while isinstance(game, Leader) and game.interval is not None:
        # However long the search for the best choice, it is the followers' payoffs that it evaluates.
        game = game.game
    if not isinstance(game, Game):
        return False
    leaves, tree = jax.tree.flatten(game)
    known = [isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves]

    def payoff(arrays, fill):
        rest = iter(arrays)
        whole = jax.tree.unflatten(tree, [next(rest) if k else leaf for k, leaf in zip(known, leaves, strict=True)])
        layout = layout_of(whole)
        return whole.payoff(layout.unflatten(jnp.broadcast_to(fill, (layout.size,))))

    arrays = [leaf for k, leaf in zip(known, leaves, strict=True) if k]
    dtype = arrays[0].dtype if arrays else jnp.result_type(float)
    closed = jax.make_jaxpr(payoff)(arrays, jax.ShapeDtypeStruct((), dtype))
    return _few_numbers(closed.jaxpr)


def _few_numbers(jaxpr: Any) -> bool:
    """Whether a program has no loops and no large arrays."""
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        if name in ("while", "scan") or any(atom.aval.size > _NUMBERS for atom in equation.outvars):
            return False
        inner = called(equation)
        if inner is not None and not _few_numbers(inner.jaxpr):
            return False
    return True
