"""NashOpt (Bemporad, 2025, arXiv 2512.23636) as it is documented: a game is built and solved at each point.

It solves the conditions of Karush, Kuhn and Tucker with scipy; each solve compiles them anew. Version 1.3.9 needs
qpsolvers besides what it declares.
"""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ._cases import Case
from ._competitor import Answer, Competitor, Prepared

_POINTS = 3


def _prepare(case: Case, points: Float[np.ndarray, "point parameter"]) -> Prepared:
    from nashopt import GNEP  # pyright: ignore[reportMissingImports]

    def solved(values: Float[np.ndarray, " parameter"]) -> np.ndarray:
        game = case.at(jnp.asarray(values))
        costs = [lambda z, i=i: -case.payoff(game, z)[i] for i in range(case.firms)]
        lower, upper = (np.asarray(end) for end in case.bounds(game))
        gnep = GNEP([1] * case.firms, costs, lb=lower, ub=upper)
        return np.asarray(gnep.solve(case.start(game), verbose=0).x)

    def run() -> Answer:
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            return Answer(np.stack([solved(values) for values in points]), None)

    # Nothing that is compiled can be kept for the next solve.
    return Prepared(0.0, run)


NASHOPT = Competitor(
    "nashopt",
    "nashopt.GNEP(...).solve point by point, as documented: it compiles at each solve",
    _prepare,
    sizes=(_POINTS,),
    on_host=True,
    missing=None
    if importlib.util.find_spec("nashopt") and importlib.util.find_spec("qpsolvers")
    else "skipped: nashopt and qpsolvers are not installed",
)
