"""Following a branch in one direction, step by step, and locating what happens within a step."""

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np

from . import _numpy as jnp
from ._branch_points import Points, Row
from ._pieces import STABLE, At, Pieces, angle, chord
from ._roots import roots

_BEGIN = 0.2
_SHORTEST = 1e-9
_SHARPEST = 0.35
_WANTED = 0.15
_QUICK = 6
_SAME = 1e-9
_TRIES = 6
_ROUNDS = 3
_APART = 1e-4
_NEAR = 0.1

Found = tuple[float, str, str]
"""An event within a step: its length along the tangent, its kind, and what it is in words."""


class _Lost(Exception):
    """Something within a step cannot be located: the step has to be shorter."""


class Trace:
    """A branch followed in one direction.

    Args:
        points: what is known about single points.
        pieces: the geometry; its sizes grow with the strategies.
        interval: where the parameter may be.
        step: the longest step.
        home: where the whole branch has begun.
        back: whether this is against the order of the branch's points, in which events are told.
    """

    def __init__(
        self, points: Points, pieces: Pieces, interval: tuple[float, float], step: float, home: At, back: bool
    ):
        self.points, self.pieces, self.interval, self.step = points, pieces, interval, step
        self.home, self.back = home, back
        self.rows: list[Row] = []
        self.events: list[tuple[float, str, str, np.ndarray]] = []
        self.end = ""
        self._known: dict[float, At | None] = {}
        self.exact = 4e3 * float(jnp.finfo(points.dtype).eps)

    def run(self, at: At, budget: int) -> None:
        """Follow from `at`, adding at most `budget` points."""
        length = _BEGIN * self.step
        last = self._row(at, 0.0)
        if self._leaves(at):
            self.end = "interval"
        while not self.end:
            if length < _SHORTEST * self.step:
                self.end = "stuck"
                return
            trial = self._at(last.at, length)
            if trial is None or angle(last.at, trial) > _SHARPEST:
                length *= 0.5 if trial is not None else 0.25
                continue
            try:
                rows, events, onward = self._step(last, trial, length)
            except _Lost:
                length *= 0.25
                continue
            room = budget - len(self.rows)
            self.rows += rows[:room]
            if len(rows) > room:
                self.end = "max_points"
            if self.rows:
                self.events += [event for event in events if event[0] <= self.rows[-1].arclength]
            if self.end:
                return
            size = self.points.size_at(onward.u, self.pieces.size[:-1])
            resized = self.pieces.resized(onward, size)
            if resized is None:
                self.end = "stuck"
                return
            factor = min(2.0, max(0.5, _WANTED / max(angle(last.at, trial), 1e-3)))
            length = min(self.step, length * (min(factor, 0.7) if trial.steps > _QUICK else factor))
            last = dataclasses.replace(rows[-1], at=resized, size=size)
            self._known.clear()

    def _step(self, last: Row, trial: At, length: float) -> tuple[list[Row], list[tuple], At]:
        """The rows and the events of a step from `last` towards `trial`, and the point to go on from."""
        stop, trial, switching, end = self._stop(last.at, trial, length)
        row = self._row(trial, last.arclength + chord(last.at, trial, self.pieces.size))
        rows, events = self._between(last, row, stop)
        onward = trial
        if switching is not None:
            onward, kinds, end = self._switch(trial, switching)
            row = dataclasses.replace(row, kinds=tuple(kind for kind, _ in kinds))
            events += [(row.arclength, kind, detail, trial.u) for kind, detail in kinds]
            if (rows[-1] if rows else last).kinds:
                rows.append(self._inside(last, row, (self._along(last.at, (rows or [last])[-1].at) + stop) / 2.0, stop))
        self.end = "interval" if not end and self._leaves(onward) else end
        return [*rows, row], events, onward

    def _leaves(self, at: At) -> bool:
        low, high = self.interval
        return (at.value >= high and at.way[-1] > 0) or (at.value <= low and at.way[-1] < 0)

    def _row(self, at: At, arclength: float, kinds: tuple[str, ...] = ()) -> Row:
        return Row(arclength, at, self.points.report(at, self.pieces.size), self.pieces.size, kinds)

    def _stop(self, at: At, trial: At, length: float):
        """Where the step has to end: its length, the point, the strategies that change piece there, the end."""
        stop, found, switching, end = length, trial, None, ""
        bound = min(max(trial.value, self.interval[0]), self.interval[1])
        if bound != trial.value:
            share = (bound - at.value) / (trial.value - at.value)
            reached = self.pieces.at_value(at.u + share * (trial.u - at.u), at.held, bound)
            exit_ = None if reached is None else self.pieces.on(reached[0], at.held, at.way, reached[1])
            if exit_ is None:
                raise _Lost
            exit_.u[-1] = bound
            stop, found, end = self._along(at, exit_), exit_, "interval"
            if not 0 < stop <= 1.01 * length:
                raise _Lost
        elif (home := self._passes_home(at, trial)) is not None:
            stop, found = home
            end = "closed"
        violated = np.argwhere(found.slack < 0)
        if not len(violated):
            return stop, found, switching, end
        first = np.inf
        for j, side in violated:
            before = float(at.slack[j, side])
            if before <= 0:
                raise _Lost
            after = float(found.slack[j, side])
            where = self._roots(at, lambda p, j=j, side=side: float(p.slack[j, side]), 0.0, stop, before, after)
            first = min(first, where[0])
        kink = self.pieces.advance(at, first)
        if kink is None:
            raise _Lost
        return first, kink, self.pieces.biactive(kink), ""

    def _passes_home(self, at: At, trial: At) -> tuple[float, At] | None:
        """Where the step returns to the start of the branch, if it does."""
        if not self.rows or (at.held != self.home.held).any():
            return None
        s = self._along(at, self.home)
        if not 0 < s <= self._along(at, trial) or chord(at, self.home, self.pieces.size) > 2.0 * self.step:
            return None
        back = self._at(at, s)
        return (s, back) if back is not None and chord(back, self.home, self.pieces.size) < 1e-6 else None

    def _along(self, at: At, other: At) -> float:
        return float(at.way @ ((other.u - at.u) / self.pieces.size))

    def _roots(
        self, at: At, value: Callable[[At], float], a: float, b: float, before: float, after: float
    ) -> list[float]:
        """Where between two lengths along the tangent at `at` a value of the points changes its sign."""

        def f(s: float) -> float:
            point = self._at(at, s)
            return np.nan if point is None else value(point)

        found = roots(f, a, b, before, after, tol=self.exact * self.step)
        if not found:
            raise _Lost
        return found

    def _at(self, at: At, s: float) -> At | None:
        """The point at a length along the tangent at the last point."""
        if s not in self._known:
            self._known[s] = self.pieces.advance(at, s)
        return self._known[s]

    def _between(self, last: Row, row: Row, length: float) -> tuple[list[Row], list[tuple]]:
        """The rows inside a step, and its events; between two events there is a point without."""
        found = self._smooth(last.at, row.at, length)
        if self.points.search is not None:
            found += self._certificate(last, row, length)
        groups: list[list[Found]] = []
        for event in sorted(found, key=lambda event: event[0]):
            # At a bifurcation the conditions are singular, and what coincides with it is located only about there.
            singular = groups and "bifurcation" in (event[1], *(kind for _, kind, _ in groups[-1]))
            if groups and event[0] - groups[-1][0][0] <= max(_APART if singular else _SAME, 10 * self.exact) * length:
                groups[-1].append(event)
            else:
                groups.append([event])
        for group in groups:
            # On a branch that ends in a pitchfork the spectral radius only touches 1 there.
            stability = [event for event in group if event[1] == "stability"]
            if len(stability) % 2 == 0:
                group[:] = [event for event in group if event not in stability]
        rows: list[Row] = []
        events = []
        behind, previous = 0.0, bool(last.kinds)
        for group in filter(None, groups):
            s = next((s for s, kind, _ in group if kind == "bifurcation"), group[0][0])
            if previous:
                rows.append(self._inside(last, row, (behind + s) / 2.0, length))
            rows.append(self._inside(last, row, s, length, tuple(dict.fromkeys(kind for _, kind, _ in group))))
            events += [(rows[-1].arclength, kind, detail, rows[-1].at.u) for _, kind, detail in group]
            behind, previous = s, True
        return rows, events

    def _inside(self, last: Row, row: Row, s: float, length: float, kinds: tuple[str, ...] = ()) -> Row:
        point = None if "bifurcation" in kinds else self._at(last.at, s)
        if point is None:
            point = self._interpolated(last.at, s, length)
        return self._row(point, last.arclength + chord(last.at, point, self.pieces.size), kinds)

    def _interpolated(self, at: At, s: float, length: float) -> At:
        """A point at which the conditions are singular, from its neighbours."""
        # Close to the singular point the neighbours are inaccurate themselves: an even number of nodes leaves it out.
        reach = _NEAR * length
        known = []
        for x in np.cos(np.pi * (np.arange(10) + 0.5) / 10):
            point = self._at(at, float(s + reach * x))
            if point is not None:
                known.append((float(x), point))
        if len(known) < 4:
            raise _Lost
        x = np.array([x for x, _ in known])
        u = np.stack([point.u for _, point in known]) / self.pieces.size
        curves = [np.polynomial.Chebyshev.fit(x, column, len(x) - 1, domain=[-1.0, 1.0]) for column in u.T]
        here = np.array([c(0.0) for c in curves]) * self.pieces.size
        way = np.array([c.deriv()(0.0) for c in curves])
        near = min(known, key=lambda pair: abs(pair[0]))[1]
        held = at.held
        local = self.pieces.evaluated(here, held, at.way)
        point = self.pieces.on(local, held, at.way) or near
        return At(here, held, way / np.linalg.norm(way), point.slack, 0.0, point.concavity, point.radius, local)

    def _smooth(self, at: At, trial: At, length: float) -> list[Found]:
        """Folds, bifurcations and changes of stability within a step on one piece."""
        marks = [(0.0, at), (length, trial)]
        found: list[Found] = []
        # What changes twice shows between: half way, and between two events.
        pending = [length / 2.0]
        for _ in range(_ROUNDS):
            for s in pending:
                if (point := self._at(at, s)) is not None:
                    marks.append((s, point))
            marks.sort(key=lambda mark: mark[0])
            found = [event for one, other in itertools.pairwise(marks) for event in self._changes(at, one, other)]
            places = sorted(event[0] for event in found)
            known = [s for s, _ in marks]
            pending = [
                (one + other) / 2.0
                for one, other in itertools.pairwise(places)
                if other - one > _APART * length and not any(one < s < other for s in known)
            ]
            if not pending:
                break
        return found

    def _changes(self, at: At, one: tuple[float, At], other: tuple[float, At]) -> list[Found]:
        """What changes its sign between two points of a step, and where."""
        (a, before), (b, after) = one, other
        found: list[Found] = []

        def located(kind: str, value: Callable[[At], float], text: str) -> None:
            low, high = value(before), value(after)
            if (low < 0) != (high < 0):
                found.extend((s, kind, text) for s in self._roots(at, value, a, b, low, high))

        side = "greatest" if before.way[-1] > 0 else "smallest"
        located("fold", lambda p: p.way[-1], f"the parameter turns back, {side} nearby")
        located("bifurcation", lambda p: p.determinant, "another branch of first-order points crosses")
        if before.stable != after.stable and min(abs(p.radius - 1.0) for p in (before, after)) > 1.0 - STABLE:
            located("stability", lambda p: p.radius - 1.0, self._stability(before, after))
        return found

    def _certificate(self, last: Row, row: Row, length: float) -> list[Found]:
        """Where the points start or cease to be certified equilibria."""
        at, trial, certified = last.at, row.at, self.points.certified
        before, after = last.report.status == certified, row.report.status == certified
        if before == after:
            return []
        if (at.concavity < 0) != (trial.concavity < 0):
            where = self._roots(at, lambda p: p.concavity, 0.0, length, at.concavity, trial.concavity)
            lost = before != self.back
            text = "a firm's payoff is no longer concave" if lost else "every firm's payoff becomes concave"
            return [(s, "certificate", f"{text} in its own strategies") for s in where]
        inside, outside = (0.0, length) if before else (length, 0.0)
        judged = row.report if before else last.report
        text = "begins" if before != self.back else "ceases"
        for _ in range(_TRIES):
            where, firm = self._indifference(at, inside, outside, judged)
            if where is None:
                break
            # Another deviation may pay even earlier.
            nudge = 1e-6 * (inside - outside)
            point = self._at(at, where + nudge)
            if point is None:
                break
            report = self.points.report(point, self.pieces.size)
            if report.status == certified:
                return [(where, "certificate", f"firm {firm} {text} to gain by a distant deviation")]
            outside, judged = where + nudge, report
        return [(self._bisected(at, inside, outside), "certificate", f"some firm {text} to gain by a deviation")]

    def _indifference(self, at: At, inside: float, outside: float, judged) -> tuple[float | None, str]:
        """Where the firm that gains most outside is indifferent between its strategy and the distant one."""
        certificate = judged.one.certificate
        firm = int(np.argmax(certificate.gain / certificate.payoff_scale))
        name = judged.one.firms[firm]
        deviation = np.asarray(
            self.points.layout.flatten({k: jnp.asarray(v) for k, v in certificate.deviation.items()})
        )

        def gain(s: float) -> float:
            point = self._at(at, s)
            return np.nan if point is None else self.points.gain(point.u, firm, deviation) / scale

        scale = float(certificate.payoff_scale[firm])
        here, there = gain(inside), gain(outside)
        if not (here < 0 < there):
            return None, name
        low, high = sorted((inside, outside))
        found = roots(gain, low, high, gain(low), gain(high), tol=self.exact * self.step)
        return (found[-1] if outside < inside else found[0]) if found else None, name

    def _bisected(self, at: At, inside: float, outside: float) -> float:
        while abs(outside - inside) > self.exact * self.step:
            middle = (inside + outside) / 2.0
            if middle in (inside, outside):
                break
            point = self._at(at, middle)
            good = point is not None and self.points.report(point, self.pieces.size).status == self.points.certified
            inside, outside = (middle, outside) if good else (inside, middle)
        return (inside + outside) / 2.0

    def _switch(self, kink: At, switching: np.ndarray) -> tuple[At, list[tuple[str, str]], str]:
        """The next piece, what happens at the change, and why it is the end if it is."""
        every = self.pieces.outgoing(kink.local, kink.held, switching)
        onward = [way for way in every if (way.held != kink.held).any() or way.way @ kink.way > 0]
        if not onward:
            return kink, [("active_set", "a strategy reaches a bound and no direction leads on")], "no_continuation"
        onward.sort(key=lambda way: (-int((way.held != kink.held)[switching].sum()), -float(way.way @ kink.way)))
        new = onward[0]
        kinds = [("active_set", self._names(kink.held, new.held))]
        if (new.way[-1] < 0) != (kink.way[-1] < 0):
            side = "greatest" if kink.way[-1] > 0 else "smallest"
            kinds.append(("fold", f"the parameter turns back in a bend, {side} nearby"))
        if len(onward) > 1:
            kinds.append(("bifurcation", f"{len(onward)} branches of first-order points lead on"))
        if new.stable != kink.stable:
            kinds.append(("stability", self._stability(kink, new)))
        return new, kinds, ""

    def _names(self, before: np.ndarray, after: np.ndarray) -> str:
        layout, firms = self.points.layout, self.points.curve.game.firms
        before, after = (after, before) if self.back else (before, after)
        texts = []
        for j in np.flatnonzero(before != after):
            what = f"{layout.names[layout.name_of[j]]} of {firms[layout.owner[j]]}"
            side = "lower" if (after[j] or before[j]) < 0 else "upper"
            texts.append(f"{what} {'reaches' if after[j] else 'leaves'} its {side} bound")
        return "; ".join(texts) or "a strategy touches a bound"

    def _stability(self, before: At, after: At) -> str:
        how = "gained" if (before if self.back else after).stable else "lost"
        return f"stability under simultaneous best responses is {how}"
