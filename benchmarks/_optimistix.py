"""Newton's method of optimistix under `vmap`, as its users write it: one program for all points on one device."""

import importlib.util

import jax
import numpy as np
from jaxtyping import Array, Float

from ._cases import Case
from ._competitor import TOLERANCE, Answer, Competitor, Prepared, timed
from ._plain import first_order

_STEPS = 50


def _prepare(case: Case, points: Float[np.ndarray, "point parameter"]) -> Prepared:
    import optimistix

    # It stops where both the step and the conditions, in the payoffs' units, are within the tolerance.
    method = optimistix.Newton(rtol=TOLERANCE, atol=TOLERANCE)

    def newton(values: Float[Array, " parameter"]) -> Float[Array, " firm"]:
        game = case.at(values)
        lower, upper = case.bounds(game)
        return optimistix.root_find(
            lambda z, values: first_order(case, values, z),
            method,
            case.start(game),
            args=values,
            options={"lower": lower, "upper": upper},
            max_steps=_STEPS,
            throw=False,
        ).value

    at = jax.device_put(points, jax.local_devices()[0])
    program = jax.jit(jax.vmap(newton))
    compile_s = timed(lambda: program.lower(at).compile())
    return Prepared(compile_s, lambda: Answer(np.asarray(program(at).block_until_ready()), None))


OPTIMISTIX = Competitor(
    "optimistix",
    "vmap of optimistix.root_find with optimistix.Newton within the bounds; one program on one device",
    _prepare,
    missing=None if importlib.util.find_spec("optimistix") else "skipped: optimistix is not installed",
)
