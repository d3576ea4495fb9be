"""Instructions for elementary functions.

exp and log are written out for vectors, to about one unit in the last place: the argument is reduced by multiples of
log 2, and a Taylor series of the rest is summed (Muller, 2016, Elementary Functions, chapter 11). Functions that few
payoffs need are called from the C library, one lane after the other. In single precision all are computed in double.
"""

import math
from typing import Any

import numpy as np
from jax import lax

from ._elements import Element
from ._kernel_arithmetic import bitcast, choose, convert
from ._kernel_ir import Emit, Instructions, Register, lanes, vector_type

_F64 = np.dtype(np.float64)
_LN2_HIGH = 0.693147180369123816490
"""log 2 to 32 bits, so that its product with a whole number is exact; and the rest."""
_LN2_LOW = 1.90821492927058770002e-10

_SHIFT = np.float64(1.5 * 2.0**52)
"""Added to a number it leaves the nearest whole number, in the last bits."""


def _double(inner: Any) -> Emit:
    """A function written for double precision; of single precision, computed in double."""

    def emit(s: Instructions, params: dict[str, Any], operands: list[Element]) -> Element:
        kind = np.dtype(operands[0].dtype)
        if kind == _F64:
            return inner(s, *operands)
        wide = [convert(s, {"new_dtype": _F64}, [x]) for x in operands]
        return convert(s, {"new_dtype": kind}, [inner(s, *wide)])

    return emit


def _c(x: float) -> np.float64:
    return np.float64(x)


def _fma(s: Instructions, x: Element, y: Element, z: Element) -> Element:
    return s.region.call(f"llvm.fma.v{lanes()}f64", _F64, s.text(x), s.text(y), s.text(z))


def _series(s: Instructions, x: Element, coefficients: list[float]) -> Element:
    """The polynomial with these coefficients, that of the highest power first."""
    total: Element = _c(coefficients[0])
    for c in coefficients[1:]:
        total = _fma(s, total, x, _c(c))
    return total


def _power_of_two(s: Instructions, n: Element) -> Element:
    """2^n for whole n (int64) between -1022 and 1023."""
    biased = s.instruction("add", [n, np.int64(1023)])
    return bitcast(s, s.instruction("shl", [biased, np.int64(52)]), _F64)


def _exp(s: Instructions, x: Element) -> Element:
    # Beyond these the result is infinite or zero; NaN stays what it is.
    x = choose(s, s.instruction("fcmp ogt", [x, _c(710.0)], np.bool_), _c(710.0), x)
    x = choose(s, s.instruction("fcmp olt", [x, _c(-746.0)], np.bool_), _c(-746.0), x)
    shifted = _fma(s, x, _c(1.0 / math.log(2.0)), _SHIFT)
    n = s.instruction("fsub", [shifted, _SHIFT])
    return _grown(s, _fma(s, n, _c(-_LN2_LOW), _fma(s, n, _c(-_LN2_HIGH), x)), shifted)


def _exp2(s: Instructions, x: Element) -> Element:
    x = choose(s, s.instruction("fcmp ogt", [x, _c(1025.0)], np.bool_), _c(1025.0), x)
    x = choose(s, s.instruction("fcmp olt", [x, _c(-1077.0)], np.bool_), _c(-1077.0), x)
    shifted = s.instruction("fadd", [x, _SHIFT])
    rest = s.instruction("fsub", [x, s.instruction("fsub", [shifted, _SHIFT])])
    return _grown(s, s.instruction("fmul", [rest, _c(math.log(2.0))]), shifted)


def _grown(s: Instructions, rest: Element, shifted: Element) -> Element:
    """2^n exp(rest) for small `rest`; n is in the last bits of `shifted`."""
    grown = _series(s, rest, [1.0 / math.factorial(k) for k in range(13, -1, -1)])
    whole = s.instruction("sub", [bitcast(s, shifted, np.int64), np.int64(_SHIFT.view(np.int64))])
    # In two steps, as 2^n itself may overflow where the result does not.
    half = s.instruction("ashr", [whole, np.int64(1)])
    other = s.instruction("sub", [whole, half])
    return s.instruction("fmul", [s.instruction("fmul", [grown, _power_of_two(s, half)]), _power_of_two(s, other)])


def _log(s: Instructions, x: Element) -> Element:
    tiny = s.instruction("fcmp olt", [x, _c(2.0**-1022)], np.bool_)
    scaled = choose(s, tiny, s.instruction("fmul", [x, _c(2.0**54)]), x)
    bits = bitcast(s, scaled, np.int64)
    # The mantissa is taken between sqrt(1/2) and sqrt(2).
    offset = np.int64(np.float64(math.sqrt(0.5)).view(np.int64))
    moved = s.instruction("sub", [bits, offset])
    exponent = s.instruction("ashr", [moved, np.int64(52)])
    mantissa = bitcast(s, s.instruction("sub", [bits, s.instruction("shl", [exponent, np.int64(52)])]), _F64)
    e = convert(s, {"new_dtype": _F64}, [exponent])
    e = s.instruction("fsub", [e, choose(s, tiny, _c(54.0), _c(0.0))])
    f = s.instruction("fsub", [mantissa, _c(1.0)])
    ratio = s.instruction("fdiv", [f, s.instruction("fadd", [f, _c(2.0)])])
    z = s.instruction("fmul", [ratio, ratio])
    rest = s.instruction("fmul", [z, _series(s, z, [2.0 / (2 * k + 1) for k in range(11, 0, -1)])])
    half = s.instruction("fmul", [s.instruction("fmul", [f, f]), _c(0.5)])
    low = _fma(s, ratio, s.instruction("fadd", [half, rest]), s.instruction("fmul", [e, _c(_LN2_LOW)]))
    inner = s.instruction("fsub", [s.instruction("fsub", [half, low]), f])
    made = _fma(s, e, _c(_LN2_HIGH), s.instruction("fneg", [inner]))
    made = choose(s, s.instruction("fcmp oeq", [x, _c(np.inf)], np.bool_), _c(np.inf), made)
    made = choose(s, s.instruction("fcmp oeq", [x, _c(0.0)], np.bool_), _c(-np.inf), made)
    return choose(s, s.instruction("fcmp oge", [x, _c(0.0)], np.bool_), made, _c(np.nan))


def _log1p(s: Instructions, x: Element) -> Element:
    u = s.instruction("fadd", [x, _c(1.0)])
    lost = s.instruction("fsub", [x, s.instruction("fsub", [u, _c(1.0)])])
    made = s.instruction("fadd", [s.op(lax.log_p, u), s.instruction("fdiv", [lost, u])])
    plain = s.instruction("fcmp oeq", [u, _c(np.inf)], np.bool_)
    plain = s.instruction("or", [plain, s.instruction("fcmp oeq", [u, _c(0.0)], np.bool_)])
    made = choose(s, plain, s.op(lax.log_p, u), made)
    # Where nothing is left of x, it is the result.
    return choose(s, s.instruction("fcmp oeq", [u, _c(1.0)], np.bool_), x, made)


def _expm1(s: Instructions, x: Element) -> Element:
    near = s.instruction("fmul", [x, _series(s, x, [1.0 / math.factorial(k) for k in range(15, 0, -1)])])
    small = s.instruction("fcmp olt", [s.op(lax.abs_p, x), _c(0.5)], np.bool_)
    return choose(s, small, near, s.instruction("fsub", [s.op(lax.exp_p, x), _c(1.0)]))


def _tanh(s: Instructions, x: Element) -> Element:
    size = s.op(lax.abs_p, x)
    grown = _expm1(s, s.instruction("fmul", [size, _c(2.0)]))
    made = s.instruction("fdiv", [grown, s.instruction("fadd", [grown, _c(2.0)])])
    made = choose(s, s.instruction("fcmp ogt", [size, _c(20.0)], np.bool_), _c(1.0), made)
    return s.region.call(f"llvm.copysign.v{lanes()}f64", _F64, s.text(made), s.text(x))


def _logistic(s: Instructions, x: Element) -> Element:
    fallen = s.op(lax.exp_p, s.op(lax.neg_p, x))
    return s.instruction("fdiv", [_c(1.0), s.instruction("fadd", [fallen, _c(1.0)])])


def _from_library(name: str) -> Emit:
    def inner(s: Instructions, *operands: Element) -> Element:
        region = s.region
        region.function.needs.setdefault(name, f"declare double @{name}({', '.join(['double'] * len(operands))})")
        made = "undef"
        for k in range(lanes()):
            each = [region.value(f"extractelement {vector_type(_F64)} {s.text(x)}, i32 {k}", _F64) for x in operands]
            arguments = ", ".join(f"double {x.name}" for x in each)
            one = region.value(f"call double @{name}({arguments})", _F64)
            made = region.value(f"insertelement {vector_type(_F64)} {made}, double {one.name}, i32 {k}", _F64).name
        return Register(made, _F64, region.depth)

    return _double(inner)


_LIBRARY = {
    **{name: name for name in ("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh")},
    **{name: name for name in ("atanh", "cbrt", "erf", "erfc", "lgamma")},
}

FUNCTIONS: dict[str, Emit] = {
    "exp": _double(_exp),
    "exp2": _double(_exp2),
    "log": _double(_log),
    "log1p": _double(_log1p),
    "expm1": _double(_expm1),
    "tanh": _double(_tanh),
    "logistic": _double(_logistic),
    **{name: _from_library(function) for name, function in _LIBRARY.items()},
}
"""Name of a primitive -> its instructions."""
