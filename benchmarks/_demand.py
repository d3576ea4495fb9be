"""What a point of a game needs: operations, counted in its kernel, and bytes, its parameters in and its results out.

`python -m benchmarks._demand GAME METHOD` prints it as JSON. Kernels are of processors; what an accelerator computes
for a point is taken to be the same, so that there another process counts.
"""

import functools
import json
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nashgrid.solver import _devices as devices_module
from nashgrid.solver._devices import KernelLanes, kernel_of
from nashgrid.solver._kernel import Kernel

from ._child import child
from ._clock import on_host
from ._competitor import MAX_STEPS
from ._counted import counting
from ._environment import configure
from ._tasks import Task, task

COUNTED = 256
"""Points at a time: what one core takes, as counts of several would mix."""
SAMPLE = 8
COMPILES_S = 300.0
_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "quotient": lambda x, y: x / y,
    "square root": lambda x, y: jnp.sqrt(x),
    "exp": lambda x, y: jnp.exp(x),
    "log": lambda x, y: jnp.log(x),
    "x**y": lambda x, y: x**y,
}


def demand(given: Task) -> dict[str, float | None]:
    """Operations, quotients and roots among them, bytes and steps of a point; None where there is no kernel."""
    if on_host():
        return _counted(given)
    return child("-m", "benchmarks._demand", given.name, given.method, platform="cpu", limit_s=COMPILES_S).said


def _counted(given: Task) -> dict[str, float | None]:
    points = given.points(SAMPLE * COUNTED)
    with counting() as counter:
        devices_module._kernel.cache_clear()
        made = kernel_of(given.problem, given.how)
        # It is slow, so nobody is to find it.
        devices_module._kernel.cache_clear()
        if made is None:
            return dict.fromkeys(("flop", "quotients", "bytes", "steps"))
        lanes = KernelLanes(given.problem, made, MAX_STEPS, COUNTED)
        steps = []
        for part in np.split(points, SAMPLE):
            steps.append(lanes.finish(lanes.start(part), part)["steps"])
        every, slow = counter.total()
    return {
        "flop": every / len(points),
        "quotients": slow / len(points),
        "bytes": made.bytes_of_results() + points.itemsize * points.shape[1],
        "steps": float(np.mean(steps)),
    }


@functools.cache
def of_functions() -> dict[str, float]:
    """As how many operations a few functions count."""
    row = jax.ShapeDtypeStruct((2,), jnp.result_type(float))
    points, found = np.full((COUNTED, 2), 1.5), {}
    for name, function in _FUNCTIONS.items():
        with counting() as counter:
            Kernel(lambda _, x, f=function: f(x[0], x[1]), (), row, 10_000).run((), points)
            found[name] = counter.total().every / COUNTED
    return found


if __name__ == "__main__":
    configure()
    print(json.dumps(demand(task(sys.argv[1], sys.argv[2]))))
