"""What varies between the lanes of a batch, so that JAX traces a loop once.

Under `jax.vmap` some arrays of a loop's state may vary between lanes at the start and others not. JAX traces a step to
see which vary after it, again with those, and once more where lanes need different numbers of steps; and as often again
each loop within the loop. Where all arrays vary from the start, one trace is enough.
"""

from typing import Any, TypeVar

import equinox as eqx
import jax
from jax import lax

from . import _numpy as jnp

T = TypeVar("T")


def alike(state: T, *like: Any) -> T:
    """`state`, all of whose arrays vary where any array in `like` does: the same numbers.

    They are a choice between two equal things, which XLA leaves out.
    """
    some = [jnp.ravel(leaf)[0] for leaf in jax.tree.leaves(like) if eqx.is_array(leaf) and leaf.size]
    if not some:
        return state
    odd = some[0] != some[0]
    for one in some[1:]:
        odd |= one != one
    return jax.tree.map(lambda leaf: lax.select(odd, leaf, leaf), state)
