"""`scipy.optimize.root`, one point after the other; conditions and exact Jacobian are compiled once by JAX."""

import importlib.util

import jax
import numpy as np
from jaxtyping import Float

from ._cases import Case
from ._competitor import TOLERANCE, Answer, Competitor, Prepared, timed
from ._plain import first_order

_POINTS = 300


def _prepare(case: Case, points: Float[np.ndarray, "point parameter"]) -> Prepared:
    from scipy.optimize import root

    cpu = jax.local_devices(backend="cpu")[0]
    with jax.default_device(cpu):
        starts = np.asarray(jax.jit(jax.vmap(lambda values: case.start(case.at(values))))(points))
        value = jax.jit(lambda z, values: first_order(case, values, z))
        slope = jax.jit(jax.jacfwd(lambda z, values: first_order(case, values, z)))

    def compiled() -> None:
        with jax.default_device(cpu):
            jax.block_until_ready((value(starts[0], points[0]), slope(starts[0], points[0])))

    def run() -> Answer:
        # To NumPy at once: the solver indexes what it is given.
        f = lambda z, values: np.asarray(value(z, values))  # noqa: E731
        j = lambda z, values: np.asarray(slope(z, values))  # noqa: E731
        with jax.default_device(cpu):
            ends = [
                root(f, start, args=(values,), jac=j, method="hybr", tol=TOLERANCE).x
                for start, values in zip(starts, points, strict=True)
            ]
        return Answer(np.stack(ends), None)

    return Prepared(timed(compiled), run)


SCIPY = Competitor(
    "scipy",
    "scipy.optimize.root (hybr) point by point; conditions and Jacobian compiled by JAX",
    _prepare,
    sizes=(_POINTS,),
    on_host=True,
    missing=None if importlib.util.find_spec("scipy") else "skipped: scipy is not installed",
)
