"""The spectral radius of a matrix by products alone, so that it is the same on every backend.

A is squared again and again, no longer than until P^2 = m P for its power P: then every eigenvalue of P is zero or m,
and what further squarings would add is known. Of matrices of many rows whose entries all have one sign, the ratios of
A x and x, for any positive x, enclose the spectral radius (Collatz 1942; Wielandt 1950): there powers of A applied to x
are tried first, until the enclosure is narrow.
"""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._only_if import only_if

_PRODUCTS = 48
_SQUARINGS = 30


def radius_of_many(matrix: Float[Array, "n n"]) -> Float[Array, ""]:
    """The largest modulus of an eigenvalue; the relative error is at most eps^(2/3)."""
    enclosed, found = _enclosed(matrix)
    return only_if(~found, lambda matrix: squared(matrix, _product)[1], enclosed, matrix)


def _enclosed(matrix: Float[Array, "n n"]) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """The middle of the enclosure, and whether it is narrow."""
    one_sign = jnp.all(matrix >= 0) | jnp.all(matrix <= 0)
    tol = _tolerance(matrix.dtype)
    # A row of zeros adds an eigenvalue of zero, whatever its column has.
    some = jnp.any(matrix != 0, axis=1)

    def unfinished(state):
        _, _, narrow, k = state
        return one_sign & ~narrow & (k < _PRODUCTS)

    def step(state):
        x, _, _, k = state
        y = jnp.abs(jnp.matmul(matrix, x, precision=jax.lax.Precision.HIGHEST))
        y = jnp.where(some, y, 0.0)
        ratio = y / jnp.where(x > 0, x, 1.0)
        low, high = jnp.min(jnp.where(some, ratio, jnp.inf)), jnp.max(ratio)
        # A row that has lost its last positive column is a row of zeros too late: no ratio says anything.
        narrow = (high - low <= tol * high) & jnp.all((x > 0) | ~some)
        return y / jnp.where(high > 0, jnp.max(y), 1.0), 0.5 * (low + high), narrow, k + 1

    zero = jnp.zeros((), matrix.dtype)
    begin = some.astype(matrix.dtype), zero, ~jnp.any(some), jnp.zeros((), jnp.int32)
    _, middle, narrow, _ = jax.lax.while_loop(unfinished, step, alike(begin, matrix))
    return middle, one_sign & narrow


def squared(
    matrix: Float[Array, "n n"], square: Callable[[Float[Array, "n n"]], Float[Array, "n n"]]
) -> tuple[Float[Array, "n n"], Float[Array, ""]]:
    """A power of the matrix, up to a factor, and the largest modulus of an eigenvalue, as lim |A^k|^(1/k)
    (Gelfand 1941), by repeated squaring, of which there are at most thirty.

    The relative error is at most eps^(2/3), or about log(n)/2^30 where several eigenvalues are the largest.
    """
    tol = _tolerance(matrix.dtype)
    eye = np.eye(matrix.shape[0], dtype=bool)

    def unfinished(state):
        _, _, _, k, settled = state
        return ~settled & (k < _SQUARINGS)

    def once(state):
        power, log, weight, k, _ = state
        norm = jnp.max(jnp.sum(jnp.abs(power), axis=1))
        some = ~(norm < jnp.finfo(norm.dtype).tiny)  # NaN is something.
        safe = jnp.where(some, norm, 1.0)
        power = power * (1.0 / safe)
        again = square(power)
        size = jnp.sum(jnp.square(power))
        m = jnp.sum(again * power) / jnp.where(size > 0, size, 1.0)
        # |x (x - m)| is at most this for each eigenvalue x; not all of them are zero if the trace is not.
        miss = jnp.max(jnp.sum(jnp.abs(again - m * power), axis=1))
        trace = jnp.sum(jnp.where(eye, power, 0.0))
        settled = (miss <= tol * jnp.square(m)) & (2.0 * jnp.abs(trace) >= jnp.abs(m)) & (m != 0)
        more = jnp.log(jnp.where(settled, safe * jnp.abs(m), safe))
        log = log + jnp.where(some, more, _vanished(k, matrix.shape[0])) * weight
        return again, log, 0.5 * weight, k + 1, settled | ~some

    zero = jnp.zeros((), matrix.dtype)
    begin = matrix, zero, zero + 1.0, jnp.zeros((), jnp.int32), jnp.zeros((), bool)
    power, log, *_ = jax.lax.while_loop(unfinished, once, alike(begin, matrix))
    return power, jnp.exp(log)


def limit(
    matrix: Float[Array, "n n"], square: Callable[[Float[Array, "n n"]], Float[Array, "n n"]]
) -> Float[Array, ""]:
    """The same by thirty squarings in any case, to be differentiated: a loop that ends when it may has no way back, and
    at its end the slope may still be on its way to the limit."""

    def once(k, state):
        power, log, weight = state
        norm = jnp.max(jnp.sum(jnp.abs(power), axis=1))
        some = ~(norm < jnp.finfo(norm.dtype).tiny)
        safe = jnp.where(some, norm, 1.0)
        log = log + jnp.where(some, jnp.log(safe), _vanished(k, matrix.shape[0])) * weight
        return square(power * (1.0 / safe)), log, 0.5 * weight

    zero = jnp.zeros((), matrix.dtype)
    return jnp.exp(jax.lax.fori_loop(0, _SQUARINGS, once, (matrix, zero, zero + 1.0))[1])


def _product(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    return jnp.matmul(matrix, matrix, precision=jax.lax.Precision.HIGHEST)


def _vanished(squarings: Int[Array, ""], rows: int) -> Float[Array, ""]:
    """What a power that is zero after so many squarings adds to the logarithm: minus infinity if A is nilpotent.

    Then its powers vanish from that of its rows on. What vanishes later was rounded to zero beside entries that grow as
    a high power of the exponent (all eigenvalues alike, few eigenvectors, as of plans for many periods): then the
    estimate before remains, which is never too small.
    """
    return jnp.where(squarings <= (rows - 1).bit_length(), -jnp.inf, 0.0)


def _tolerance(dtype: jnp.dtype) -> float:
    return float(jnp.finfo(dtype).eps) ** (2 / 3)
