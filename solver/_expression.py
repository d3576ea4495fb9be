"""Real-valued expressions as a graph in which equal expressions are one node.

A graph of scalar operations is what a payoff becomes before it is enclosed (`_interval_jaxpr`). Building a node first
applies identities that are exact for real numbers and that intervals, which forget where they come from, would miss:
x - x = 0, 1 x = x, x x = x^2, and the shift by which exponentials are kept from overflowing, exp(x_j - m) /
sum_k exp(x_k - m) = exp(x_j) / sum_k exp(x_k). Nothing else is assumed of floats: a graph denotes a function of real
numbers, its constants being the float64 numbers that they are. An expression that cancels counts as defined.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

CURVES = ("exp", "log", "sqrt", "tanh", "logistic", "erf", "sin", "cos", "arctan")
"""Smooth functions of one variable."""
TESTS = ("lt", "le", "eq", "and", "or", "not", "true", "false")
"""Nodes whose value is true, false or undecided."""


class Node(NamedTuple):
    """An operation, the numbers of the nodes it is applied to, and a constant of its own (value, exponent, index)."""

    kind: str
    arguments: tuple[int, ...] = ()
    constant: Any = None


class Graph:
    """Nodes in an order in which every node comes after its arguments."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._number: dict[Node, int] = {}

    def _node(self, kind: str, *arguments: int, constant: Any = None) -> int:
        node = Node(kind, arguments, constant)
        number = self._number.get(node)
        if number is None:
            number = self._number[node] = len(self.nodes)
            self.nodes.append(node)
        return number

    def constant(self, value: float) -> int:
        """A number; NaN, and infinities that no maximum or minimum absorbs, are undefined."""
        return self._node("nan") if math.isnan(value) else self._node("constant", constant=float(value))

    def variable(self, index: int) -> int:
        """The strategy with this number."""
        return self._node("variable", constant=index)

    def truth(self, value: bool) -> int:
        """True or false."""
        return self._node("true" if value else "false")

    def is_test(self, a: int) -> bool:
        """Whether a node is true or false, not a number."""
        return self.nodes[a].kind in TESTS

    def _value(self, a: int) -> float | None:
        node = self.nodes[a]
        return node.constant if node.kind == "constant" else None

    def add(self, a: int, b: int) -> int:
        """a + b."""
        if self._value(a) == 0.0:
            return b
        if self._value(b) == 0.0:
            return a
        x, y = self.nodes[a], self.nodes[b]
        if y.kind == "neg":
            return self.sub(a, y.arguments[0])
        if x.kind == "neg":
            return self.sub(b, x.arguments[0])
        for first, second in ((x, b), (y, a)):
            if first.kind == "sub" and first.arguments[1] == second:
                return first.arguments[0]
        for m, rest in ((x, b), (y, a)):
            if m.kind == "max" and self._is_softplus_of(rest, *m.arguments):
                # max(p, q) + log(1 + exp(-|p - q|)) = log(exp p + exp q), which has no kink.
                p, q = m.arguments
                return self.curve("log", self.add(self.curve("exp", p), self.curve("exp", q)))
        return self._node("add", *sorted((a, b)))

    def _is_softplus_of(self, rest: int, p: int, q: int) -> bool:
        distances = (self.sub(p, q), self.sub(q, p))
        return any(
            rest == self.curve("log", self.add(self.constant(1.0), self.curve("exp", self.neg(self._node("abs", d)))))
            for d in distances
        )

    def sub(self, a: int, b: int) -> int:
        """a - b."""
        if a == b:
            return self.constant(0.0)
        if self._value(b) == 0.0:
            return a
        if self._value(a) == 0.0:
            return self.neg(b)
        x, y = self.nodes[a], self.nodes[b]
        if y.kind == "neg":
            return self.add(a, y.arguments[0])
        if x.kind == "add" and b in x.arguments:
            return x.arguments[1 - x.arguments.index(b)]
        return self._node("sub", a, b)

    def neg(self, a: int) -> int:
        """-a."""
        node = self.nodes[a]
        if node.kind == "neg":
            return node.arguments[0]
        if node.kind == "sub":
            return self.sub(node.arguments[1], node.arguments[0])
        value = self._value(a)
        return self._node("neg", a) if value is None else self.constant(-value)

    def mul(self, a: int, b: int) -> int:
        """a b. Zero times an expression is not simplified: it may be undefined."""
        for one, other in ((a, b), (b, a)):
            if self._value(one) == 1.0:
                return other
            if self._value(one) == -1.0:
                return self.neg(other)
        return self.power(a, 2) if a == b else self._node("mul", *sorted((a, b)))

    def div(self, a: int, b: int) -> int:
        """a / b."""
        if self._value(b) == 1.0:
            return a
        (common, x), (other, y) = self._scale(a), self._scale(b)
        if common is not None and common == other:
            return self.div(x, y)
        return self._node("div", a, b)

    def power(self, a: int, n: int) -> int:
        """a^n for a whole number n; 1/a^|n| if it is negative."""
        if n < 0:
            return self.div(self.constant(1.0), self.power(a, -n))
        if n == 1:
            return a
        return self._node("power", a, constant=n)

    def real_power(self, a: int, b: int) -> int:
        """a^b; for exponents that are not whole numbers, of a > 0."""
        value = self._value(b)
        if value is not None and value.is_integer() and abs(value) <= 64:
            return self.power(a, int(value))
        return self._node("real_power", a, b)

    def curve(self, kind: str, a: int) -> int:
        """One of `CURVES`."""
        if kind == "exp":
            if self._value(a) == 0.0:
                return self.constant(1.0)
            scale, rest = self._shift(a)
            if scale is not None:
                return scale if rest is None else self._node("mul", *sorted((self._node("exp", rest), scale)))
        if kind == "log":
            scale, rest = self._scale(a)
            if scale is not None:
                return self.add(self.curve("log", rest), self.nodes[scale].arguments[0])
        return self._node(kind, a)

    def stopped(self, a: int) -> int:
        """The same number; marked, since shifts of exponentials are."""
        return a if self.nodes[a].kind in ("constant", "stopped") else self._node("stopped", a)

    def _shift(self, a: int) -> tuple[int | None, int | None]:
        """exp(a) as exp(-m) exp(rest) if `a` subtracts a marked m: the number of exp(-m), and the rest."""
        node = self.nodes[a]
        if node.kind == "sub" and self.nodes[node.arguments[1]].kind == "stopped":
            return self._node("exp", self.neg(node.arguments[1])), node.arguments[0]
        if node.kind == "neg" and self.nodes[node.arguments[0]].kind == "stopped":
            return self._node("exp", a), None
        return None, None

    def _scale(self, a: int) -> tuple[int | None, int]:
        """`a` as exp(-m) times the rest, m marked."""
        if self._is_scale(a):
            return a, self.constant(1.0)
        node = self.nodes[a]
        if node.kind == "mul":
            for k in (0, 1):
                if self._is_scale(node.arguments[k]):
                    return node.arguments[k], node.arguments[1 - k]
        return None, a

    def _is_scale(self, a: int) -> bool:
        node = self.nodes[a]
        if node.kind != "exp" or self.nodes[node.arguments[0]].kind != "neg":
            return False
        return self.nodes[self.nodes[node.arguments[0]].arguments[0]].kind == "stopped"

    def total(self, terms: Iterable[int]) -> int:
        """The sum; a shift of exponentials that all terms share is taken out of it."""
        terms = list(terms)
        parts = [self._scale(t) for t in terms]
        shared = {scale for scale, _ in parts}
        if len(parts) > 1 and len(shared) == 1 and (scale := shared.pop()) is not None:
            return self._node("mul", *sorted((self.total(rest for _, rest in parts), scale)))
        result = self.constant(0.0)
        for t in terms:
            result = self.add(result, t)
        return result

    def maximum(self, a: int, b: int) -> int:
        """max(a, b)."""
        for one, other in ((a, b), (b, a)):
            if self._value(one) == -math.inf:
                return other
        return a if a == b else self._node("max", *sorted((a, b)))

    def minimum(self, a: int, b: int) -> int:
        """min(a, b)."""
        for one, other in ((a, b), (b, a)):
            if self._value(one) == math.inf:
                return other
        return a if a == b else self._node("min", *sorted((a, b)))

    def absolute(self, a: int) -> int:
        """|a|."""
        return self._node("abs", a)

    def sign(self, a: int) -> int:
        """1, 0 or -1."""
        zero = self.constant(0.0)
        below = self.select(self.test("lt", a, zero), zero, self.constant(-1.0))
        return self.select(self.test("lt", zero, a), below, self.constant(1.0))

    def test(self, kind: str, a: int, b: int) -> int:
        """Whether a < b, a <= b or a = b ("lt", "le", "eq")."""
        if a == b:
            return self.truth(kind != "lt")
        return self._node(kind, a, b)

    def both(self, a: int, b: int) -> int:
        """a and b."""
        for one, other in ((a, b), (b, a)):
            if self.nodes[one].kind in ("true", "false"):
                return other if self.nodes[one].kind == "true" else one
        return self._node("and", a, b)

    def either(self, a: int, b: int) -> int:
        """a or b."""
        for one, other in ((a, b), (b, a)):
            if self.nodes[one].kind in ("true", "false"):
                return one if self.nodes[one].kind == "true" else other
        return self._node("or", a, b)

    def negated(self, a: int) -> int:
        """not a."""
        node = self.nodes[a]
        if node.kind == "not":
            return node.arguments[0]
        if node.kind in ("true", "false"):
            return self.truth(node.kind == "false")
        return self._node("not", a)

    def select(self, condition: int, otherwise: int, then: int) -> int:
        """`then` if the condition is true, `otherwise` if it is false (the order of JAX's select_n)."""
        kind = self.nodes[condition].kind
        if kind in ("true", "false"):
            return then if kind == "true" else otherwise
        return then if then == otherwise else self._node("select", condition, otherwise, then)

    def needed(self, outputs: Iterable[int]) -> list[int]:
        """The nodes that the outputs depend on, in order."""
        seen, stack = set(), list(outputs)
        while stack:
            a = stack.pop()
            if a not in seen:
                seen.add(a)
                stack += self.nodes[a].arguments
        return sorted(seen)
