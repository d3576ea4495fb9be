"""Long programs that a kernel needs at several places, written out once.

In sequential play the leader's payoff is a whole equilibrium of the followers, and is asked for on a grid, along a
search for deviations, and by each of the derivatives: the same program every time. It becomes a function of its own
(`Parts.call`), which is called with the lanes that are computed for, and with vectors in registers or on the stack.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.extend.core import ClosedJaxpr, jaxprs_in_params

from ._apart import Value, filled
from ._elements import Element, is_known
from ._jaxprs import called, numbers
from ._kernel_ir import Function, Instructions, Region, Register, alive, vector_type
from ._kernel_key import described

_LONG = 4096
"""Numbers that a program computes, fewer of which are written out wherever they are needed."""

Read = Callable[[Instructions, ClosedJaxpr, Sequence[Value]], list[Value]]


class _Part(NamedTuple):
    name: str
    returned: str
    """The type of what it returns."""
    results: list[Element | int]
    """What is known of the results; the others by their number in what is returned."""
    like: list[Value]


class Parts:
    """The parts of a program that are called several times."""

    def __init__(self, closed: ClosedJaxpr):
        self._known: dict[int, str] = {}
        self._calls: Counter[str] = Counter()
        self._made: dict[Any, _Part] = {}
        self.numbers = self._count(closed.jaxpr)
        """How many numbers are computed by all that is written out."""
        self.shared = any(count > 1 for count in self._calls.values())
        """Whether there are any."""

    def _count(self, jaxpr: Any) -> int:
        """Count calls and numbers, those of a program once, however often it is called itself."""
        count = 0
        for equation in jaxpr.eqns:
            count += sum(var.aval.size for var in equation.outvars)
            call = called(equation)
            for inner in jaxprs_in_params(equation.params) if call is None else [call.jaxpr]:
                name = None if call is None else self._name(call)
                if name is not None:
                    self._calls[name] += 1
                if name is None or self._calls[name] == 1:
                    count += self._count(inner)
        return count

    def _name(self, closed: ClosedJaxpr) -> str | None:
        return described(closed, self._known) if numbers(closed.jaxpr) >= _LONG else None

    def call(
        self, elements: Instructions, closed: ClosedJaxpr, arguments: Sequence[Value], read: Read
    ) -> list[Value] | None:
        """The results of a program, computed by a function of its own; None if it is needed only once."""
        name = self._name(closed)
        if name is None or self._calls[name] < 2:
            return None
        flat = [x for a in arguments for x in a.flat]
        # What is known is known in there as well.
        key = name, *(elements.key(x) if is_known(x) else None for x in flat)
        if key not in self._made:
            self._made[key] = _written(elements, closed, arguments, read)
        part, passed = self._made[key], [elements.active, *(x for x in flat if not is_known(x))]

        def make() -> list[Element]:
            region = elements.region
            inputs = ", ".join(f"{vector_type(x.dtype)} {elements.text(x)}" for x in passed)
            returned = region.value(f"call {part.returned} @{part.name}({inputs})", bool).name
            dtypes = [v.dtype for v in part.like for _ in v.flat]
            return [
                region.value(f"extractvalue {part.returned} {returned}, {x}", dtype) if isinstance(x, int) else x
                for x, dtype in zip(part.results, dtypes, strict=True)
            ]

        found = iter(elements.once(("part", part.name, *map(elements.key, passed)), passed, make))
        return [filled(v.shape, v.dtype, [next(found) for _ in v.flat]) for v in part.like]


def _written(elements: Instructions, closed: ClosedJaxpr, arguments: Sequence[Value], read: Read) -> _Part:
    """The function, whose text is among what the kernel needs."""
    whole = elements.region.function.whole
    function = Function(whole.most, whole)
    name, region = whole.fresh("part"), Region(function, 0, "entry")
    inside = Instructions(region, elements.emit)
    passed: list[Register] = []

    def taken(dtype: Any) -> Register:
        passed.append(Register(f"%{function.fresh()}", dtype, 0))
        return passed[-1]

    inside.active = taken(np.bool_)
    values = [filled(a.shape, a.dtype, [x if is_known(x) else taken(x.dtype) for x in a.flat]) for a in arguments]
    found = read(inside, closed, values)
    flat = [x for v in found for x in v.flat]
    returned = [x for x in flat if not is_known(x)]
    kind = "{" + ", ".join(vector_type(x.dtype) for x in returned) + "}"
    last = "poison"
    for k, x in enumerate(returned):
        last = region.value(f"insertvalue {kind} {last}, {vector_type(x.dtype)} {x.name}, {k}", bool).name
    region.put(f"ret {kind} {last}")
    number = iter(range(len(returned)))
    results = [x if is_known(x) else next(number) for x in flat]
    inputs = ", ".join(f"{vector_type(x.dtype)} {x.name}" for x in passed)
    room, body = "\n  ".join(function.room), "\n  ".join(alive(region.lines))
    whole.needs[name] = f"""define internal {kind} @{name}({inputs}) {{
begin:
  {room}
  br label %entry
entry:
  {body}
}}"""
    return _Part(name, kind, results, found)
