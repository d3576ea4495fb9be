"""The largest of several branches, with the derivative of that branch.

The derivative of `jnp.max` divides by how many entries equal the maximum. A compiled program may compute the entries
twice and round differently, so that none does, and the derivative is NaN. Here one branch is chosen by its number.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float


def is_largest(values: Float[Array, "branch *rest"]) -> Bool[Array, "branch *rest"]:
    """True at the first of the largest entries along the leading axis."""
    number = np.arange(values.shape[0], dtype=np.int32).reshape(-1, *(1,) * (values.ndim - 1))
    return number == jnp.argmax(values, axis=0).astype(np.int32)[None]


def largest(values: Float[Array, "branch *rest"]) -> Float[Array, "*rest"]:
    """The largest entry along the leading axis.

    >>> largest(jnp.asarray([[1.0, 5.0], [2.0, 4.0]])).tolist()
    [2.0, 5.0]
    """
    return jnp.sum(jnp.where(is_largest(values), values, 0.0), axis=0)
