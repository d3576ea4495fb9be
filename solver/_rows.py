"""The Jacobian of all own derivatives in games with many strategies, row by row.

Row j is the gradient of one number, the derivative of its owner's payoff in strategy j. Going forwards once and
backwards once gives it for a few evaluations of the payoffs, however many strategies there are (Griewank & Walther
2008, chapter 3), so all rows cost as many as there are strategies. Column by column each own derivative would be taken
once for every strategy: as many evaluations as the square of their number.

Backwards, a rival's infinite slope at its bound times zero leaves NaN in a row that forwards has none. And some
programs, as those of loops without a fixed end, can only be gone through forwards. Then it is done by columns after
all.
"""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from . import _numpy as jnp
from ._each import in_blocks
from ._layout import Layout
from ._only_if import only_if

_KEPT = 8
"""Numbers for each strategy that going backwards needs."""

Jacobian = tuple[Float[Array, " n"], Float[Array, "n n"]]
"""All own derivatives, and their Jacobian."""
Payoffs = Callable[[Float[Array, " n"]], Float[Array, " firm"]]


def own_derivative(
    payoffs: Payoffs, layout: Layout, j: Int[Array, ""]
) -> Callable[[Float[Array, " n"]], Float[Array, ""]]:
    """The derivative of the payoff of strategy j's owner in it, as a function of all strategies."""
    owner = jnp.asarray(np.asarray(layout.owner, np.int32))
    own = np.arange(layout.size, dtype=np.int32) == j
    mine = np.arange(layout.firms, dtype=np.int32) == jnp.sum(jnp.where(own, owner, 0), dtype=jnp.int32)

    def at(z: Float[Array, " n"]) -> Float[Array, ""]:
        slopes = jax.jvp(payoffs, (z,), (jnp.where(own, 1.0, 0.0).astype(z.dtype),))[1]
        return jnp.sum(jnp.where(mine, slopes, 0.0))

    return at


def reversible(payoffs: Payoffs, layout: Layout, dtype: jnp.dtype) -> bool:
    """Whether the own derivatives can be gone through backwards."""
    try:
        first = own_derivative(payoffs, layout, jnp.zeros((), jnp.int32))
        jax.eval_shape(jax.grad(first), jax.ShapeDtypeStruct((layout.size,), dtype))
    except (NotImplementedError, TypeError, ValueError):  # What JAX raises where there is no way back.
        return False
    return True


def by_rows(
    payoffs: Payoffs,
    layout: Layout,
    z: Float[Array, " n"],
    by_columns: Callable[[Float[Array, " n"]], Jacobian],
) -> Jacobian:
    """The own derivatives at z and their Jacobian; `by_columns` computes the same where rows are not defined."""

    def row(j: Int[Array, ""]) -> tuple[Array, Array]:
        return jax.value_and_grad(own_derivative(payoffs, layout, j))(z)

    gradient, jacobian = in_blocks(row, np.arange(layout.size, dtype=np.int32), _KEPT * layout.size)
    return only_if(~jnp.all(jnp.isfinite(jacobian)), by_columns, (gradient, jacobian), z)
