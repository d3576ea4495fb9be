"""Operations on elements as instructions for LLVM, for eight lanes at once.

What XLA makes of a solver that is taken apart is dozens of short loops over the lanes, each of which writes its results
to memory for the next one. Here one function does everything for eight lanes: elements are vectors in registers
(`Register`), and loops end when the last of these eight lanes is done, not the last of thousands. `Elements` merges
equal operations and folds known ones; what is left is written out as text.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._elements import Element, Elements, is_known

LANES = 8
_TYPES = {"f8": "double", "f4": "float", "b1": "i1", "i4": "i32", "i8": "i64", "u4": "i32", "i1": "i8", "u1": "i8"}


class UnsupportedError(Exception):
    """Something has no instructions; what does is XLA."""


class Register:
    """A vector over the lanes, by its name in the text."""

    __slots__ = ("dtype", "name")
    ndim = 0
    shape = ()

    def __init__(self, name: str, dtype: Any):
        self.name, self.dtype = name, np.dtype(dtype)


def scalar_type(dtype: Any) -> str:
    """What LLVM calls a number."""
    kind = None if jnp.issubdtype(dtype, jax.dtypes.extended) else np.dtype(dtype).str[1:]
    if kind not in _TYPES:
        raise UnsupportedError(f"numbers of type {dtype}")
    return _TYPES[kind]


def vector_type(dtype: Any) -> str:
    """What LLVM calls a vector of them."""
    return f"<{LANES} x {scalar_type(dtype)}>"


class Function:
    """The text of a function, and what it needs from elsewhere."""

    def __init__(self, most: int) -> None:
        self.most = most
        """Lines; a longer text raises `UnsupportedError`."""
        self.lines: list[str] = []
        self.block = "entry"
        self.needs: dict[str, str] = {}
        """Name -> the text that declares or defines it."""
        self._count = 0

    def fresh(self, prefix: str = "v") -> str:
        """A new name."""
        self._count += 1
        return f"{prefix}{self._count}"

    def put(self, line: str) -> int:
        """Add a line; its number."""
        if len(self.lines) >= self.most:
            raise UnsupportedError(f"programs of more than {self.most} instructions")
        self.lines.append(line)
        return len(self.lines) - 1

    def value(self, text: str, dtype: Any) -> Register:
        """The result of an instruction."""
        name = f"%{self.fresh()}"
        self.put(f"{name} = {text}")
        return Register(name, dtype)

    def begin(self, label: str) -> None:
        """Start a block."""
        self.put(f"{label}:")
        self.block = label

    def call(self, name: str, dtype: Any, *operands: str, of: Any = None) -> Register:
        """Call a function of vectors, one that LLVM has built in."""
        kind, given = vector_type(dtype), vector_type(of or dtype)
        arguments = ", ".join(f"{given} {x}" for x in operands)
        self.needs.setdefault(name, f"declare {kind} @{name}({', '.join([given] * len(operands))})")
        return self.value(f"call {kind} @{name}({arguments})", dtype)


def literal(x: Any, dtype: Any) -> str:
    """A number that is the same for all lanes."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        # LLVM writes single precision with the digits of double, too.
        text = f"0x{np.float64(dtype.type(x)).view(np.uint64):016X}"
    elif dtype.kind == "b":
        text = "true" if x else "false"
    else:
        text = str(int(x))
    return "<" + ", ".join([f"{scalar_type(dtype)} {text}"] * LANES) + ">"


Emit = Callable[["Instructions", dict[str, Any], list[Element]], Element]


class Instructions(Elements):
    """Elementwise operations as instructions in a function; `emit` has one for each primitive."""

    def __init__(self, function: Function, emit: dict[str, Emit], outside: "Instructions | None" = None):
        self.function, self.emit = function, emit
        super().__init__(LANES)
        if outside is not None:  # What has been computed before a loop can be used in it.
            self._done, self._kept = dict(outside._done), [outside._kept]

    def inside(self) -> "Instructions":
        """For a loop or a branch: what is computed there must not be used outside."""
        return Instructions(self.function, self.emit, self)

    def bind(self, primitive: Any, params: dict[str, Any], operands: list[Element]) -> Element:
        rule = self.emit.get(primitive.name)
        if rule is None:
            raise UnsupportedError(f"the operation {primitive.name}")
        return rule(self, params, operands)

    def wide(self, x: Element, shape: tuple[int, ...]) -> Element:
        return x

    def text(self, x: Element) -> str:
        """An operand in the text."""
        if is_known(x):
            if np.ndim(x):
                raise UnsupportedError("arrays that are not taken apart")
            return literal(x, x.dtype)
        return x.name

    def instruction(self, text: str, operands: list[Element], dtype: Any = None) -> Register:
        """`text` with the type and the operands put in."""
        kind = operands[-1].dtype
        names = ", ".join(self.text(x) for x in operands)
        return self.function.value(f"{text} {vector_type(kind)} {names}", kind if dtype is None else dtype)


class Loop:
    """The text of a loop while it is being written."""

    def __init__(self, function: Function, begin: list[str], dtypes: list[Any]):
        self.function = function
        self.head, self.body, self.exit = (function.fresh(kind) for kind in ("head", "body", "exit"))
        before = function.block
        function.put(f"br label %{self.head}")
        function.begin(self.head)
        self.state = [Register(f"%{function.fresh()}", dtype) for dtype in dtypes]
        self._begin = [f"[{x}, %{before}]" for x in begin]
        self._lines = [function.put("") for _ in self.state]

    def while_(self, going: str) -> None:
        """Go on as long as any lane of `going` does."""
        function = self.function
        bits = function.value(f"bitcast <{LANES} x i1> {going} to i{LANES}", bool)
        some = function.value(f"icmp ne i{LANES} {bits.name}, 0", bool)
        function.put(f"br i1 {some.name}, label %{self.body}, label %{self.exit}")
        function.begin(self.body)

    def again(self, new: list[str]) -> None:
        """Begin anew with these."""
        function = self.function
        for k, (register, x) in enumerate(zip(self.state, new, strict=True)):
            incoming = f"{self._begin[k]}, [{x}, %{function.block}]"
            function.lines[self._lines[k]] = f"{register.name} = phi {vector_type(register.dtype)} {incoming}"
        function.put(f"br label %{self.head}")
        function.begin(self.exit)
