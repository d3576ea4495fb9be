"""`jax.numpy` for the solver: what it calls most is taken from `_numpy_calls`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jax.numpy import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]
else:
    import jax.numpy

    def __getattr__(name):
        return getattr(jax.numpy, name)
