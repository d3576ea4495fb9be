"""A kernel written by hand for each game and compiled by numba: what a program that knows the game can do on a CPU.

Analytic derivatives, Newton's method in the registers of one core per point, all cores over the points. It has no
certificate, and each game is half a page of algebra, which `tests/test_benchmarks.py` checks against `plain`.
"""

import importlib.util

import numpy as np
from jaxtyping import Float

from ._cases import Case
from ._competitor import Answer, Competitor, Prepared, timed


def _prepare(case: Case, points: Float[np.ndarray, "point parameter"]) -> Prepared:
    # Needs numba, which need not be installed where other competitors run.
    from ._numba_kernels import kernel

    compiled = []
    compile_s = timed(lambda: compiled.append(kernel(case)))
    (solve,) = compiled

    def run() -> Answer:
        z = np.empty((len(points), case.firms))
        solve(points, z)
        return Answer(z, None)

    return Prepared(compile_s, run)


NUMBA = Competitor(
    "numba",
    "a kernel by hand for each game: analytic derivatives, Newton, numba with fastmath on all cores; it knows that the "
    "outsiders of open_sourcing_4 are alike",
    _prepare,
    on_host=True,
    missing=None if importlib.util.find_spec("numba") else "skipped: numba is not installed",
)
