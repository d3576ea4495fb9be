"""The functions of `jax.numpy` that the solver has of its own, against those."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.solver import _numpy

RNG = np.random.default_rng(0)
NUMBERS = {shape: RNG.normal(size=shape) for shape in ((), (3,), (2, 3), (1, 3), (2, 1))}
TRUE = {shape: x > 0 for shape, x in NUMBERS.items()}
CHOICES = [
    (TRUE[2, 3], NUMBERS[2, 3], 0.0),
    (TRUE[2, 3], -np.inf, NUMBERS[2, 3]),
    (TRUE[2, 1], NUMBERS[1, 3], NUMBERS[2, 3]),
    (TRUE[()], NUMBERS[2, 3], NUMBERS[()]),
    (TRUE[3,], 1.0, np.float64(2.0)),
    (TRUE[3,], np.arange(3), np.arange(3) + 1),
    (TRUE[3,], np.arange(3), 0),
    (TRUE[3,], TRUE[3,], False),
    (TRUE[3,], 1.0, 2.0),
    (TRUE[3,].astype(int), NUMBERS[3,], 0.0),
]
REDUCED = [
    (name, x, axis)
    for names, x in (
        (("sum", "max", "min"), NUMBERS[2, 3]),
        (("sum", "max", "min"), np.arange(6).reshape(2, 3)),
        (("sum", "any", "all"), TRUE[2, 3]),
    )
    for name in names
    for axis in (None, 0, -1, (0, 1))
]


@pytest.mark.parametrize("k", range(len(CHOICES)))
def test_where(k):
    arguments = [x if isinstance(x, float | int | bool) else jnp.asarray(x) for x in CHOICES[k]]
    _same(_numpy.where(*arguments), jnp.where(*arguments))
    _same(jax.jit(_numpy.where)(*arguments), jnp.where(*arguments))


@pytest.mark.parametrize(("name", "x", "axis"), REDUCED)
def test_reductions(name, x, axis):
    _same(getattr(_numpy, name)(jnp.asarray(x), axis=axis), getattr(jnp, name)(jnp.asarray(x), axis=axis))


def test_unusual_arguments():
    assert _numpy.where is not jnp.where  # What is tested here.
    x = jnp.asarray(NUMBERS[2, 3])
    _same(_numpy.max(x, axis=1, keepdims=True), jnp.max(x, axis=1, keepdims=True))
    weak = jnp.asarray(1.0)
    for name in ("sum", "max", "min"):
        assert getattr(_numpy, name)(weak).weak_type == getattr(jnp, name)(weak).weak_type
        with pytest.raises(ValueError, match="out of bounds"):
            getattr(_numpy, name)(x, axis=2)
    assert _numpy.where(x > 0, weak, 0.0).weak_type == jnp.where(x > 0, weak, 0.0).weak_type


def test_single_precision_clips_and_the_rest():
    x = jnp.asarray(NUMBERS[2, 3], jnp.float32)
    _same(_numpy.where(x > 0, x, 0.0), jnp.where(x > 0, x, 0.0))
    _same(_numpy.sum(x), jnp.sum(x))
    _same(_numpy.clip(x, -0.5, 0.5), jnp.clip(x, -0.5, 0.5))
    _same(_numpy.cumsum(x, axis=1), jnp.cumsum(x, axis=1))
    with pytest.raises(ValueError, match="zero-size"):
        _numpy.max(x[:0])


def _same(found, expected):
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
