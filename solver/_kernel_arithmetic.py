"""Instructions for arithmetic, comparisons, choices and conversions of numbers."""

from typing import Any

import numpy as np
from jax import lax

from ._elements import Element, is_known
from ._kernel_ir import Emit, Instructions, Register, UnsupportedError, lanes, vector_type


def _is_float(x: Element) -> bool:
    return np.dtype(x.dtype).kind == "f"


def _is_unsigned(x: Element) -> bool:
    return np.dtype(x.dtype).kind in "ub"


def _arithmetic(of_floats: str, of_whole: str) -> Emit:
    def emit(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
        return s.instruction(f"{of_floats} contract" if _is_float(operands[0]) else of_whole, operands)

    return emit


def _divide(of_floats: str, of_whole: str) -> Emit:
    def emit(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
        x, y = operands
        if _is_float(x):
            return _quotient(s, x, y) if of_floats == "fdiv" else s.instruction(of_floats, operands)
        if not is_known(y) or y <= 0:
            # By zero, a processor does not divide whole numbers: it stops the program.
            raise UnsupportedError(f"{of_whole} of whole numbers by any number")
        return s.instruction(f"{'u' if _is_unsigned(x) else 's'}{of_whole}", operands)

    return emit


def _quotient(s: Instructions, x: Element, y: Element) -> Element:
    """x / y; by the reciprocal of y if more is divided by it, as a division takes as long as many products."""
    one = np.dtype(x.dtype).type(1)
    plain = is_known(x) and x == one
    if is_known(y):
        with np.errstate(all="ignore"):
            inverse = one / y
        normal = np.isfinite(inverse) & (abs(inverse) >= np.finfo(y.dtype).tiny)
        if plain or not np.all(normal):
            return s.instruction("fdiv", [x, y])
        if np.ndim(y) == 0 and abs(np.frexp(y)[0]) == 0.5:
            return s.instruction("fmul", [x, inverse])
        return _by_reciprocal(s, x, y, inverse)
    key = ("divides", id(y))
    if not plain and (s.branch or y.depth == s.region.depth):
        if key not in s.done:
            made = s.instruction("fdiv", [x, y])
            s.done[key] = made, x, len(s.region.lines) - 1
            return made
        # The first quotient was a division, as nobody knew of another one; it is written anew.
        made, first, line = s.done[key]
        if made is not None:
            s.done[key] = None, y, line
            lines, s.region.lines = s.region.lines, []
            _by_reciprocal(s, first, y, s.op(lax.div_p, one, y), made.name)
            lines[line], s.region.lines = "\n  ".join(s.region.lines), lines
    elif plain:
        # A first quotient, which is before this, cannot use it.
        s.done[key] = None, y, 0
        return s.instruction("fdiv", [x, y])
    return _by_reciprocal(s, x, y, s.op(lax.div_p, one, y))


def _by_reciprocal(s: Instructions, x: Element, y: Element, inverse: Element, name: str = "") -> Register:
    """x / y, correctly rounded: the remainder of a first quotient corrects it to the last digit (Markstein 1990),
    unless something is zero, infinite or denormal."""
    rough = s.instruction("fmul", [x, inverse])
    fma = f"llvm.fma.{_suffix(x)}"
    minus = s.instruction("fneg", [rough])
    rest = s.region.call(fma, x.dtype, s.text(minus), s.text(y), s.text(x))
    exact = s.region.call(fma, x.dtype, s.text(rest), s.text(inverse), s.text(rough))
    return choose(s, s.instruction("fcmp uno", [exact, exact], np.bool_), rough, exact, name)


def _compare(of_floats: str, signed: str, unsigned: str) -> Emit:
    def emit(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
        kind = (
            f"fcmp {of_floats}"
            if _is_float(operands[0])
            else f"icmp {unsigned if _is_unsigned(operands[0]) else signed}"
        )
        return s.instruction(kind, operands, np.bool_)

    return emit


def _bits(name: str) -> Emit:
    def emit(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
        return s.instruction(name, operands)

    return emit


def _suffix(x: Element) -> str:
    bits = 1 if np.dtype(x.dtype) == np.bool_ else np.dtype(x.dtype).itemsize * 8
    return f"v{lanes()}{'f' if _is_float(x) else 'i'}{bits}"


def _built_in(of_floats: str, of_whole: str = "") -> Emit:
    def emit(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
        name = of_floats if _is_float(operands[0]) else of_whole
        if not name:
            raise UnsupportedError(f"{of_floats} of whole numbers")
        return s.region.call(f"llvm.{name}.{_suffix(operands[0])}", operands[0].dtype, *map(s.text, operands))

    return emit


def _largest(sign: str) -> Emit:
    names = {"f": "maximum", "i": "smax", "u": "umax"} if sign == ">" else {"f": "minimum", "i": "smin", "u": "umin"}

    def emit(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
        x, y = operands
        kind = np.dtype(x.dtype).kind
        if kind == "b":
            return s.instruction("or" if sign == ">" else "and", operands)
        if kind == "f" and (is_known(x) or is_known(y)):
            known, other = (x, y) if is_known(x) else (y, x)
            if not np.isnan(known):
                # Only the other can be NaN: a comparison and a choice do, which are one instruction.
                take = s.instruction("fcmp ogt" if sign == ">" else "fcmp olt", [known, other], np.bool_)
                return choose(s, take, known, other)
        # Which of two zeros is the larger one takes as long as all the rest.
        flags = "nsz " if kind == "f" else ""
        return s.region.call(f"llvm.{names[kind]}.{_suffix(x)}", x.dtype, s.text(x), s.text(y), flags=flags)

    return emit


def choose(s: Instructions, which: Element, yes: Element, no: Element, name: str = "") -> Register:
    """`yes` where `which`, else `no`."""
    kind = vector_type(yes.dtype)
    return s.region.value(
        f"select <{lanes()} x i1> {s.text(which)}, {kind} {s.text(yes)}, {kind} {s.text(no)}", yes.dtype, name
    )


def _select_n(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
    which, *cases = operands
    if np.dtype(which.dtype) == np.bool_:
        return choose(s, which, cases[1], cases[0])
    chosen = cases[0]
    for k, case in enumerate(cases[1:], 1):
        chosen = choose(s, s.op(lax.ge_p, which, np.dtype(which.dtype).type(k)), case, chosen)
    return chosen


def _shift(name: str) -> Emit:
    def emit(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
        x, by = operands
        kind = np.dtype(x.dtype)
        made = s.instruction(name, operands)
        # By as many bits as there are, nothing is left.
        inside = s.instruction("icmp ult", [by, kind.type(8 * kind.itemsize)], np.bool_)
        return choose(s, inside, made, kind.type(0))

    return emit


def _population_count(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
    (x,) = operands
    return s.region.call(f"llvm.ctpop.v{lanes()}i{np.dtype(x.dtype).itemsize * 8}", x.dtype, s.text(x))


def _neg(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
    (x,) = operands
    if _is_float(x):
        return s.instruction("fneg", operands)
    return s.instruction("sub", [np.dtype(x.dtype).type(0), x])


def _abs(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
    (x,) = operands
    if _is_float(x):
        return s.region.call(f"llvm.fabs.{_suffix(x)}", x.dtype, s.text(x))
    return s.op(lax.max_p, x, _neg(s, params, operands))


def _sign(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
    (x,) = operands
    one, zero = np.dtype(x.dtype).type(1), np.dtype(x.dtype).type(0)
    if not _is_unsigned(x):
        x = choose(s, s.op(lax.lt_p, x, zero), np.dtype(x.dtype).type(-1), x)
    return choose(s, s.op(lax.gt_p, operands[0], zero), one, x)


def _is_finite(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
    (x,) = operands
    return s.op(lax.lt_p, s.op(lax.abs_p, x), np.dtype(x.dtype).type(np.inf))


def _clamp(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
    low, x, high = operands
    return s.op(lax.min_p, s.op(lax.max_p, x, low), high)


def _integer_pow(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
    (x,), power = operands, params["y"]
    one = np.dtype(x.dtype).type(1)
    made, square, left = None, x, abs(power)
    while left:
        if left & 1:
            made = square if made is None else s.op(lax.mul_p, made, square)
        left >>= 1
        square = s.op(lax.mul_p, square, square) if left else square
    made = one if made is None else made
    return s.op(lax.div_p, one, made) if power < 0 else made


def convert(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
    (x,), new = operands, np.dtype(params["new_dtype"])
    old = np.dtype(x.dtype)
    if old == new:
        return x
    if new.kind == "b":
        return s.op(lax.ne_p, x, old.type(0))
    to = f"to {vector_type(new)}"
    if old.kind == "f" and new.kind == "f":
        how = "fpext" if new.itemsize > old.itemsize else "fptrunc"
    elif new.kind == "f":
        how = "uitofp" if _is_unsigned(x) else "sitofp"
    elif old.kind == "f":
        name = "fptoui.sat" if new.kind == "u" else "fptosi.sat"
        whole = f"v{lanes()}i{new.itemsize * 8}"
        return s.region.call(f"llvm.{name}.{whole}.{_suffix(x)}", new, s.text(x), of=old)
    elif old.kind == "b" or new.itemsize > old.itemsize:
        how = "zext" if _is_unsigned(x) else "sext"
    elif new.itemsize < old.itemsize:
        how = "trunc"
    else:
        return Register(s.text(x), new, x.depth)
    return s.region.value(f"{how} {vector_type(old)} {s.text(x)} {to}", new)


def bitcast(s: Instructions, x: Element, dtype: Any) -> Register:
    """The same bits as a number of another type of as many."""
    return s.region.value(f"bitcast {vector_type(x.dtype)} {s.text(x)} to {vector_type(dtype)}", np.dtype(dtype))


def _round(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
    even = params["rounding_method"] == lax.RoundingMethod.TO_NEAREST_EVEN
    return _built_in("roundeven" if even else "round")(s, params, operands)


ARITHMETIC: dict[str, Emit] = {
    "add": _arithmetic("fadd", "add"),
    "add_any": _arithmetic("fadd", "add"),
    "sub": _arithmetic("fsub", "sub"),
    "mul": _arithmetic("fmul", "mul"),
    "div": _divide("fdiv", "div"),
    "rem": _divide("frem", "rem"),
    "eq": _compare("oeq", "eq", "eq"),
    "ne": _compare("une", "ne", "ne"),
    "lt": _compare("olt", "slt", "ult"),
    "le": _compare("ole", "sle", "ule"),
    "gt": _compare("ogt", "sgt", "ugt"),
    "ge": _compare("oge", "sge", "uge"),
    "and": _bits("and"),
    "or": _bits("or"),
    "xor": _bits("xor"),
    "not": lambda s, params, x: s.instruction("xor", [*x, np.invert(np.zeros((), x[0].dtype))[()]]),
    "shift_left": _shift("shl"),
    "shift_right_logical": _shift("lshr"),
    "population_count": _population_count,
    "max": _largest(">"),
    "min": _largest("<"),
    "neg": _neg,
    "abs": _abs,
    "sign": _sign,
    "is_finite": _is_finite,
    "clamp": _clamp,
    "square": lambda s, params, x: s.op(lax.mul_p, x[0], x[0]),
    "integer_pow": _integer_pow,
    "select_n": _select_n,
    "convert_element_type": convert,
    "bitcast_convert_type": lambda s, params, x: bitcast(s, x[0], params["new_dtype"]),
    "floor": _built_in("floor"),
    "ceil": _built_in("ceil"),
    "round": _round,
    "sqrt": _built_in("sqrt"),
    "rsqrt": lambda s, params, x: s.op(lax.div_p, np.dtype(x[0].dtype).type(1), s.op(lax.sqrt_p, x[0])),
}
"""Name of a primitive -> its instructions."""
