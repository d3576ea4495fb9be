"""Computing something only if some lane of a batch wants it."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jaxtyping import Array, Bool

from . import _numpy as jnp
from ._alike import alike

T = TypeVar("T")


def only_if(wanted: Bool[Array, ""], compute: Callable[..., T], otherwise: T, *inputs: Any) -> T:
    """`compute(*inputs)` if `wanted`, else `otherwise`; in a batch nothing is computed if no lane wants it.

    `jax.lax.cond` would compute both in a batch. `compute` must depend on nothing but its `inputs` that is expensive to
    begin with: XLA moves what does not change out of loops, and computes it always.
    """

    def step(state: tuple[Bool[Array, ""], T, Any]) -> tuple[Bool[Array, ""], T, Any]:
        _, _, inputs = state
        return jnp.zeros_like(wanted), compute(*inputs), jax.lax.optimization_barrier(inputs)

    begin = wanted, *alike((otherwise, inputs), wanted)
    return jax.lax.while_loop(lambda state: state[0], step, begin)[1]
