"""What a firm can gain by any deviation at most: branch and bound over all of its own strategies.

Rivals play anything in a narrow box T, and so does the firm itself before it deviates. Boxes of its own strategies are
split until each of them (Hansen and Walster, 2004, Global Optimization Using Interval Analysis)

* has payoffs below the lowest payoff in T, or
* has a slope of one sign in some strategy, so that its best point lies on the face where that strategy is largest (or
  smallest), which is dropped inside the bounds and examined at a bound, or
* lies in a neighbourhood N of T where the payoff is concave in the strategies that the first-order conditions leave
  free, and falls off the bounds at which the others are held: there the solution of these conditions is best.

A slope is shown on a box that reaches beyond the one to be dropped, into its neighbours, so that a best point on the
face between two boxes, as a kink there would make, is not lost: from it, the payoff would still rise.

Payoffs are enclosed by what is narrowest of: the expression itself; p(c) + g (y - c), with c the middle of the box and
g the slopes; and p(c) + p'(c) (y - c) + (y - c)' h (y - c)/2, with h the curvature.
"""

from typing import NamedTuple

import numpy as np

from . import _interval as iv
from ._interval import Interval
from ._jet import curvatures, enclose, slopes, value_by_cases
from ._krawczyk import Solution, System

_BATCH = 512
# Boxes reach this part of their width beyond what they stand for.
_OVERLAP = 1e-3
# Boxes narrower than this part of the bounds are not split: what is left then are ties, within rounding.
_NARROWEST = 1e-13


class Verdict(NamedTuple):
    """What is known of the deviations of one firm."""

    problem: str | None
    """Why it is not proved that none gains; None if it is."""
    gain: float
    """No deviation gains more than this, from any profile in T."""
    boxes: int


class _View(NamedTuple):
    """The payoff over boxes of own strategies: value, slopes and curvature, and its value at the middles."""

    value: Interval
    slope: Interval
    curvature: Interval
    middle: Interval


def exclude(system: System, firm: int, near: Interval, solution: Solution | None, max_boxes: int) -> Verdict:
    """Whether no strategy of `firm` is better for it than its own in the box `near`, and what it gains at most.

    Args:
        system: the game.
        firm: whose deviations.
        near: a box of profiles, T; with `solution`, it contains it.
        solution: of the first-order conditions; without it only the gain is bounded.
        max_boxes: the most boxes to look at.
    """
    own = np.array([j for j in system.movable if system.layout.owner[j] == firm], dtype=int)
    here = _value(system, firm, near)
    if not (np.isfinite(here.lo) and np.isfinite(here.hi)):
        return Verdict("its payoff at the profile could not be bounded", np.inf, 0)
    if not len(own):
        return Verdict(None, 0.0, 0)
    problem, inside, within = None, 0.0, None
    if solution is not None:
        within, inside = _neighbourhood(system, firm, own, near, solution)
        if within is None:
            problem = "its payoff could not be shown to have a local maximum there (to be concave in a neighbourhood)"
    found, gain, boxes = _search(system, firm, own, near, here, within, max_boxes)
    return Verdict(problem or found, max(inside, gain), boxes)


def _value(system: System, firm: int, near: Interval) -> Interval:
    (jet,) = enclose(system.graph, [system.payoffs[firm]], near.lo[None], near.hi[None], [], 0)
    cases = value_by_cases(system.graph, system.payoffs[firm], near.lo[None], near.hi[None])
    value = jet.value if cases is None else iv.intersect(jet.value, cases)
    return Interval(value.lo[0], value.hi[0])


def _view(system: System, firm: int, own: np.ndarray, near: Interval, low: np.ndarray, high: np.ndarray) -> _View:
    """Enclosures over boxes `low`..`high`, each of shape (boxes, own), rivals in `near`."""
    output, width = [system.payoffs[firm]], len(own)
    (box,) = enclose(system.graph, output, *_placed(own, near, low, high), own.tolist(), 2)
    middle = np.clip((low + high) / 2, low, high)
    (at,) = enclose(system.graph, output, *_placed(own, near, middle, middle), own.tolist(), 1)
    away = iv.sub(Interval(low, high), iv.point(middle))
    slope, curvature, there = slopes(box, width), curvatures(box, width), slopes(at, width)
    smooth = np.all(np.isfinite(curvature.lo) & np.isfinite(curvature.hi), axis=(1, 2))[:, None]
    moved = iv.total(iv.mul(curvature, Interval(away.lo[:, None, :], away.hi[:, None, :])), 2)
    refined = iv.intersect(slope, iv.add(there, moved))
    slope = iv.choose(smooth & ~iv.undefined(refined), refined, slope)
    linear = iv.add(at.value, iv.total(iv.mul(slope, away), 1))
    squares = iv.square(away)
    pairs = iv.mul(
        Interval(away.lo[:, :, None], away.hi[:, :, None]), Interval(away.lo[:, None, :], away.hi[:, None, :])
    )
    pairs = iv.choose(np.eye(width, dtype=bool), Interval(squares.lo[:, :, None], squares.hi[:, :, None]), pairs)
    bent = iv.mul(iv.point(0.5), iv.total(iv.total(iv.mul(curvature, pairs), 2), 1))
    quadratic = iv.add(iv.add(at.value, iv.total(iv.mul(there, away), 1)), bent)
    value, jumps = box.value, ~np.all(np.isfinite(slope.lo) & np.isfinite(slope.hi), axis=1)
    others = [(linear, True), (quadratic, smooth[:, 0])]
    if np.any(jumps):
        cases = value_by_cases(system.graph, output[0], *_placed(own, near, low, high))
        others += [] if cases is None else [(cases, jumps)]
    for other, applies in others:
        known = applies & ~iv.undefined(other) & ~iv.undefined(value)
        value = iv.choose(known, iv.intersect(value, other), value)
    boxes = len(low)
    return _View(_full(value, boxes), _full(slope, boxes), _full(curvature, boxes), _full(at.value, boxes))


def _full(part: Interval, boxes: int) -> Interval:
    return Interval(*(np.broadcast_to(end, (boxes, *end.shape[1:])) for end in part))


def _placed(own: np.ndarray, near: Interval, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of all strategies: the firm's own, and the rivals' in `near`."""
    full = [np.tile(end, (len(low), 1)) for end in near]
    full[0][:, own], full[1][:, own] = low, high
    return full[0], full[1]


def _neighbourhood(system: System, firm: int, own: np.ndarray, near: Interval, solution: Solution):
    """A box of own strategies around T in which the solution is best, and what can be gained within it from T."""
    low, high, free = system.lower[own], system.upper[own], solution.free[own]
    reach = 2.0 * (high - low) * 0.5 ** np.arange(50)[:, None]
    lows = np.maximum(near.lo[own] - reach, low)
    highs = np.minimum(near.hi[own] + reach, high)
    view = _view(system, firm, own, near, lows, highs)
    down, up = view.slope.hi < 0.0, view.slope.lo > 0.0
    at_low, at_high = ~free & (solution.near.lo[own] == low), ~free & (solution.near.hi[own] == high)
    pushed = (at_low & down) | (at_high & up)
    defined = ~iv.undefined(view.value)
    concave = _positive_definite(_bent(view, pushed, 0.0))
    chosen = np.flatnonzero(defined & concave)
    if not len(chosen):
        return None, 0.0
    k = int(chosen[0])
    return (lows[k], highs[k]), _inner_gain(system, firm, own, near, solution, view, k, pushed[k])


def _bent(view: _View, pushed: np.ndarray, shift: float | np.ndarray) -> Interval:
    """Minus the own Hessian less `shift`, with ones for the strategies that are pushed to their bounds."""
    eye = np.eye(pushed.shape[1], dtype=bool)
    rest = ~pushed[:, :, None] & ~pushed[:, None, :]
    moved = iv.sub(iv.neg(view.curvature), iv.point(np.where(eye, np.asarray(shift)[..., None, None], 0.0)))
    return iv.choose(rest, moved, iv.point(np.where(eye, 1.0, 0.0)))


def _positive_definite(a: Interval) -> np.ndarray:
    """Whether every symmetric matrix in `a` is positive definite: pivots of interval elimination."""
    sure = np.all(np.isfinite(a.lo) & np.isfinite(a.hi), axis=(1, 2))
    a = Interval(np.where(sure[:, None, None], a.lo, 1.0), np.where(sure[:, None, None], a.hi, 1.0))
    for k in range(a.lo.shape[1]):
        pivot = Interval(a.lo[:, k, k], a.hi[:, k, k])
        sure &= pivot.lo > 0.0
        pivot = iv.choose(pivot.lo > 0.0, pivot, iv.point(1.0))
        row = Interval(a.lo[:, k, k + 1 :], a.hi[:, k, k + 1 :])
        column = iv.div(row, Interval(pivot.lo[:, None], pivot.hi[:, None]))
        lo, hi = a.lo.copy(), a.hi.copy()
        rest = Interval(a.lo[:, k + 1 :, k + 1 :], a.hi[:, k + 1 :, k + 1 :])
        update = iv.mul(
            Interval(column.lo[:, :, None], column.hi[:, :, None]), Interval(row.lo[:, None], row.hi[:, None])
        )
        lo[:, k + 1 :, k + 1 :], hi[:, k + 1 :, k + 1 :] = iv.sub(rest, update)
        a = Interval(lo, hi)
    return sure


def _inner_gain(system: System, firm: int, own, near: Interval, solution: Solution, view: _View, k: int, pushed):
    """What moving within N gains at most, from a profile in T that need not be the solution itself.

    First the strategies that are pushed go to their bounds, then the payoff is concave: with its Hessian below
    -lambda, a gradient g gains at most sum g^2/(2 lambda), and each held strategy at most |g| times its width in T.
    """
    width = iv.sub(iv.point(near.hi[own]), iv.point(near.lo[own])).hi
    one = _View(*(Interval(end[0][k : k + 1], end[1][k : k + 1]) for end in view))
    middle = iv.middle(one.curvature)[0]
    rest = ~pushed
    strength = 0.0
    if rest.any():
        lowest = float(np.min(np.linalg.eigvalsh(-(middle + middle.T)[np.ix_(rest, rest)] / 2)))
        for part in (0.9, 0.5, 0.1):
            if lowest > 0.0 and _positive_definite(_bent(one, pushed[None], part * lowest))[0]:
                strength = part * lowest
                break
    (jet,) = enclose(system.graph, [system.payoffs[firm]], near.lo[None], near.hi[None], own.tolist(), 1)
    gradient = iv.magnitude(iv.intersect(slopes(jet, len(own)), one.slope))[0]
    free = solution.free[own]
    with np.errstate(all="ignore"):
        curved = iv.div(iv.square(iv.point(gradient)), iv.point(2.0 * strength)).hi if strength else np.inf
        span = iv.sub(iv.point(system.upper[own]), iv.point(system.lower[own])).hi
        straight = iv.mul(iv.point(gradient), iv.point(span)).hi
        held = iv.mul(iv.point(iv.magnitude(one.slope)[0]), iv.point(width)).hi
    parts = np.where(free & rest, np.minimum(curved, straight), held)
    return float(iv.total(iv.point(np.where(np.isnan(parts), np.inf, parts)), 0).hi)


def _search(system: System, firm: int, own, near: Interval, here: Interval, within, max_boxes: int):
    """Branch and bound: why it failed, or None; the largest gain outside of `within`; how many boxes it took.

    Without `within`, and after a deviation that gains has been found, the best payoff is enclosed instead.
    """
    bottom, top = system.lower[own], system.upper[own]
    low, high, bound = bottom[None].copy(), top[None].copy(), np.array([np.inf])
    resolution = np.maximum(_NARROWEST * (top - bottom), 4 * np.spacing(np.maximum(np.abs(bottom), np.abs(top))))
    tolerance = 1e-10 * max(abs(float(here.lo)), abs(float(here.hi)))
    least, boxes, problem, most = float(here.lo), 0, None, -np.inf
    bounding = within is None
    while len(low) and max(most, float(np.max(bound))) > (least + tolerance if bounding else -np.inf):
        if boxes >= max_boxes:
            left = f"after {boxes} boxes there were deviations left that could not be excluded; raise max_boxes"
            problem = problem or left
            break
        # The most promising first, so that a deviation that gains is found soon and bounds fall evenly.
        order = np.argsort(-bound, kind="stable")
        take, wait = order[:_BATCH], order[_BATCH:]
        view, reach = _seen(system, firm, own, near, low[take], high[take])
        boxes += len(take)
        best = float(np.max(np.where(np.isnan(view.middle.lo), -np.inf, view.middle.lo)))
        if best > here.hi and (problem is None or not bounding):
            gained = float(iv.sub(iv.point(best), iv.point(here.hi)).lo)
            problem, bounding = f"it gains at least {gained:.1e} by another strategy", True
        if bounding:
            least = max(least, best)
            # No box says more than the payoff in its middle is known to.
            blur = np.where(iv.undefined(view.middle), 0.0, view.middle.hi - view.middle.lo)
            tolerance = max(tolerance, 2.0 * float(np.min(blur)))
        first, last, keep = _pruned(view, low[take], high[take], reach, bottom, top, least, within)
        # A bound of a box holds for its parts.
        value = np.minimum(np.where(np.isnan(view.value.hi), np.inf, view.value.hi), bound[take])[keep]
        first, last = first[keep], last[keep]
        split = np.any(last - first > resolution, axis=1)
        most = max(most, float(np.max(value[~split], initial=-np.inf)))
        if not np.all(split) and not bounding:
            problem, bounding = (
                "other strategies do as well (a tie), or cannot be told from a tie within rounding",
                True,
            )
        slope = iv.magnitude(view.slope)[keep][split]
        first, last, value = _halved(first[split], last[split], value[split], slope, top - bottom)
        low, high = np.concatenate([first, low[wait]]), np.concatenate([last, high[wait]])
        bound = np.concatenate([value, bound[wait]])
    # What was dropped is below `least`.
    most = max(most, least, float(np.max(bound, initial=-np.inf)))
    return problem, max(float(iv.sub(iv.point(most), iv.point(here.lo)).hi), 0.0), boxes


def _seen(system: System, firm: int, own, near: Interval, low: np.ndarray, high: np.ndarray):
    """The view of boxes that reach a little beyond these, where they have width and bounds allow; and the reach."""
    beyond = np.where(high > low, _OVERLAP * (high - low), 0.0)
    first = np.where(high > low, np.maximum(low - beyond, system.lower[own]), low)
    last = np.where(high > low, np.minimum(high + beyond, system.upper[own]), high)
    return _view(system, firm, own, near, first, last), (first, last)


def _pruned(view: _View, low, high, reach, bottom, top, least: float, within):
    """The boxes that remain, and which they are: below the payoff `least`, in N and of one slope are gone.

    A box whose payoff rises up to a bound becomes its face there.
    """
    keep = ~(view.value.hi < least)
    if within is not None:
        keep &= ~np.all((low >= within[0]) & (high <= within[1]), axis=1)
    bounded = np.all(np.isfinite(view.slope.lo) & np.isfinite(view.slope.hi), axis=1) & ~iv.undefined(view.value)
    wide = (high > low) & bounded[:, None]
    rises, falls = (view.slope.lo > 0.0) & wide, (view.slope.hi < 0.0) & wide
    at_top, at_bottom = reach[1] >= top, reach[0] <= bottom
    # Only if the payoff is known to rise beyond the box too: its best point may be a kink on its face.
    onward = (rises & ~at_top & (reach[1] > high)) | (falls & ~at_bottom & (reach[0] < low))
    keep &= ~np.any(onward, axis=1)
    return (
        np.where(falls & at_bottom, bottom, np.where(rises & at_top, top, low)),
        np.where(rises & at_top, top, np.where(falls & at_bottom, bottom, high)),
        keep,
    )


def _halved(low, high, bound, slope, span):
    """Every box cut in the strategy that matters most for its payoff."""
    if not len(low):
        return low, high, bound
    share = (high - low) / span
    # Where slopes say nothing, and where boxes have become too slender, the widest.
    unknown = ~np.all(np.isfinite(slope), axis=1) | np.any(
        (share > 0.0) & (share < 1e-3 * np.max(share, axis=1)[:, None]), axis=1
    )
    weight = np.where(unknown[:, None], share, np.where(np.isfinite(slope), slope, 0.0) * (high - low))
    cut = np.argmax(np.where(high > low, weight, -1.0), axis=1)
    rows = np.arange(len(low))
    middle = (low[rows, cut] + high[rows, cut]) / 2
    left_high, right_low = high.copy(), low.copy()
    left_high[rows, cut], right_low[rows, cut] = middle, middle
    return np.concatenate([low, right_low]), np.concatenate([left_high, high]), np.concatenate([bound, bound])
