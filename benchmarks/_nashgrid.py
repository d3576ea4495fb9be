"""nashgrid as a sweep runs it: blocks of the sweep's width over all local devices, one block ahead of the results.

The blocks go through the same two passes as in `nashgrid.solver.sweep`; only labels and stores are left out, because
the points are not a grid. As with `keep`, strategies are reported, as by all competitors, with their evidence where it
was asked for.
"""

from collections import deque
from typing import Any

import numpy as np
from jaxtyping import Float

from nashgrid.solver import BestResponse, GlobalSearch, Method, Newton, Status
from nashgrid.solver._axes import knobs
from nashgrid.solver._devices import default_width, kernel_of
from nashgrid.solver._how import How
from nashgrid.solver._labels import EVIDENCE
from nashgrid.solver._retry import TwoPasses

from ._cases import Case
from ._clock import on_host
from ._competitor import MAX_STEPS, TOLERANCE, Answer, Competitor, Prepared, timed


def sweeper(name: str, method: Method, search: GlobalSearch | None) -> Competitor:
    """nashgrid with a method, and with or without its certificate."""

    def prepare(case: Case, points: Float[np.ndarray, "point parameter"]) -> Prepared:
        where = knobs(case.game, tuple(case.columns), "axes")
        strategy = case.strategy  # Asking for it asks JAX for bounds, which takes as long as some thousand points.
        keep = (strategy, *(EVIDENCE if search else ()))
        how = How(where, (), method, TOLERANCE, MAX_STEPS, search, keep)
        made: list[Any] = []
        compile_s = timed(lambda: made.append(kernel_of(case.game, how)))
        most = default_width(made[0])
        width = -(-len(points) // -(-len(points) // most))  # As few blocks as there must be, of the same size.
        if not on_host() and len(points) > most:
            width = most  # The same program for all numbers of points: compiling it takes longer than running it.
        passes = TwoPasses(case.game, how, width)
        if passes.first.kind != "kernel":
            compile_s += timed(lambda: passes.finish(passes.start(points[:width]), points[:width]))
        # Column by column, as a sweep makes them.
        blocks = [np.asfortranarray(points[i : i + width]) for i in range(0, len(points), width)]

        def run() -> Answer:
            started: deque = deque()
            found = []
            for block in blocks:
                started.append((passes.start(block), block))
                if len(started) == 2:
                    found.append(passes.finish(*started.popleft())[0])
            found += [passes.finish(*each)[0] for each in started]
            # Points are the last axis in memory.
            z, status = [each[strategy].T for each in found], [each["status"] for each in found]
            z, status = (x[0] if len(x) == 1 else np.concatenate(x, axis=-1) for x in (z, status))
            return Answer(z.T, None if search is None else status == int(Status.successful))

        return Prepared(compile_s, run)

    return Competitor(name, f"nashgrid {method}, {'certified' if search else 'not certified'}, in blocks", prepare)


NASHGRID = (
    sweeper("newton", Newton(), None),
    sweeper("best_response", BestResponse(), None),
    sweeper("best_response_certified", BestResponse(), GlobalSearch()),
)
ACCELERATED = ("newton", "best_response_certified")
"""Those that are timed on accelerators, where compiling each takes minutes."""
