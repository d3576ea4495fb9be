"""What is timed: a way to find the equilibria of a case at many points."""

import dataclasses
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ._cases import Case

TOLERANCE = 1e-8
"""What every competitor is asked for, and the residual up to which a point counts as an equilibrium."""
MAX_STEPS = 256


class Answer(NamedTuple):
    """What a competitor found, in the memory of the host."""

    z: Float[np.ndarray, "point firm"]
    successful: Bool[np.ndarray, " point"] | None
    """Where its own certificate passed; None if it has none."""


class Prepared(NamedTuple):
    """A competitor ready to run on given points."""

    compile_s: float
    run: Callable[[], Answer]


@dataclasses.dataclass(frozen=True)
class Competitor:
    """A name, what it is in a sentence, and how to prepare it for a case and its points."""

    name: str
    description: str
    prepare: Callable[[Case, Float[np.ndarray, "point parameter"]], Prepared]
    sizes: tuple[int, ...] | None = None
    """The only numbers of points it runs on, if not those of all."""
    on_host: bool = False
    """Whether it computes on the processor, whatever devices there are."""
    missing: str | None = None
    """Why it cannot run here."""


def timed(work: Callable[[], object]) -> float:
    """Wall time of `work()` in seconds; it must not return before its results are there."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
