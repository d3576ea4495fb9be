"""The Lambert function where logit pricing needs it: W0(exp(y)), which never overflows."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# The start below is at most 0.35 above log w; the error of Newton's method then falls like
# 0.05, 1e-3, 1e-6, 1e-12, 0.
_NEWTON_STEPS = 6


def lambert_w_of_exp(y: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """w = W0(exp(y)), the solution of w + log w = y.

    See Corless et al. (1996, Advances in Computational Mathematics 5). Newton's method in log w, a convex
    equation, from the upper bound w <= log(1 + exp(y)); a fixed number of steps, so that it can be
    differentiated any number of times.

    >>> round(float(lambert_w_of_exp(jnp.asarray(0.0))), 6)
    0.567143
    """
    far = y < -30.0
    t = jnp.where(far, y, jnp.log(jax.nn.softplus(jnp.where(far, 0.0, y))))
    for _ in range(_NEWTON_STEPS):
        w = jnp.exp(t)
        t = t - (t + w - y) / (1.0 + w)
    return jnp.exp(t)
