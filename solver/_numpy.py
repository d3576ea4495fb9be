"""`jax.numpy` for the solver: what it calls most is taken from `_numpy_calls`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jax.numpy import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]
else:
    import jax.numpy

    from . import _numpy_calls

    all, any, clip = _numpy_calls.all_, _numpy_calls.any_, _numpy_calls.clip_
    max, min, sum, where = _numpy_calls.max_, _numpy_calls.min_, _numpy_calls.sum_, _numpy_calls.where_

    def __getattr__(name):
        return getattr(jax.numpy, name)
