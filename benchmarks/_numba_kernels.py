"""The kernels behind `_numba`: Newton's method for each game, derivatives by hand; this module needs numba.

A game is two functions. `start(p, z, w)` writes the first profile into `z` and the bounds into the first two rows of
the scratch array `w`; `step(p, z, w)` replaces `z` by the next profile and says whether it has hardly moved. `p` holds
the parameters of one point in the order of `Case.columns`; all others are constants, taken from the case.

Everyone produces in the ranges of `_cases`, so that no kernel looks for firms that do not; the common residual would
tell. In the oligopolies the derivative of firm i's condition in z_j is d_i [i = j] + u_i v_j, so that a Newton step
costs two sums (Sherman and Morrison) in place of an elimination.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numba  # pyright: ignore[reportMissingImports]
import numpy as np

from nashgrid.games import IsoelasticCournot, LinearCournot, LogitBertrand, OpenSourcing, ResearchSpillovers

from ._cases import Case
from ._murphy_sherali_soyster import MurphySheraliSoyster

_STEPS = 50
# Of the largest strategy. The step that is this short is still taken, and leaves about its square.
_SHORT = 1e-6
_BLOCK = 256
_LOWER, _UPPER, _G, _D, _U, _V = range(6)

# Divisions by zero give infinities, as in JAX, rather than exceptions.
_jit = functools.partial(numba.njit, fastmath=True, error_model="numpy")


def kernel(case: Case) -> Callable[[np.ndarray, np.ndarray], None]:
    """The compiled program `solve(points, z)`, which fills `z` with the equilibria at `points`, by all cores."""
    start, step = _GAMES[type(case.game)](case)
    firms = case.firms

    @_jit
    def solve_some(points, z, first, end):
        w = np.empty((6, firms))
        for k in range(first, end):
            start(points[k], z[k], w)
            for _ in range(_STEPS):
                if step(points[k], z[k], w):
                    break

    @_jit(["void(float64[:, ::1], float64[:, ::1])"], parallel=True)
    def solve(points, z):
        count = len(points)
        if count <= _BLOCK:  # Waking other cores would take longer.
            solve_some(points, z, 0, count)
        else:
            for block in numba.prange((count + _BLOCK - 1) // _BLOCK):
                solve_some(points, z, block * _BLOCK, min((block + 1) * _BLOCK, count))

    return solve


@_jit
def _move(z, i, change, w):
    """Change z_i within its bounds; how far it has moved."""
    before = z[i]
    z[i] = min(max(before + change, w[_LOWER, i]), w[_UPPER, i])
    return abs(z[i] - before)


def _middle(firms: int):
    @_jit
    def middle(z, w):
        for i in range(firms):
            z[i] = 0.5 * (w[_LOWER, i] + w[_UPPER, i])

    return middle


def _rank_one(firms: int):
    @_jit
    def newton(z, w):
        """Solve d_i x_i + u_i (sum_j v_j x_j) = -g_i and go there; whether that is hardly any move."""
        known = response = 0.0
        for i in range(firms):
            scale = 1.0 / w[_D, i]
            w[_G, i] *= scale
            w[_U, i] *= scale
            known -= w[_V, i] * w[_G, i]
            response += w[_V, i] * w[_U, i]
        total = known / (1.0 + response)
        far = largest = 0.0
        for i in range(firms):
            far = max(far, _move(z, i, -w[_G, i] - w[_U, i] * total, w))
            largest = max(largest, abs(z[i]))
        return far <= _SHORT * largest

    return newton


def _linear_cournot(case: Case):
    firms, middle = case.firms, _middle(case.firms)

    @_jit
    def start(p, z, w):
        for i in range(firms):
            w[_LOWER, i], w[_UPPER, i] = 0.0, p[0] / p[1]
        middle(z, w)

    @_jit
    def step(p, z, w):
        # g_i = a - c_i - b Q - b z_i with derivatives -b (1 + [i = j]).
        price, unit = p[0], 1.0 / p[1]
        for i in range(firms):
            price -= p[1] * z[i]
        total = 0.0
        for i in range(firms):
            w[_G, i] = (price - p[2 + i]) * unit - z[i]
            total += w[_G, i]
        total /= firms + 1.0
        far = largest = 0.0
        for i in range(firms):
            far = max(far, _move(z, i, w[_G, i] - total, w))
            largest = max(largest, z[i])
        return far <= _SHORT * largest

    return start, step


def _isoelastic_cournot(case: Case):
    firms, middle, newton = case.firms, _middle(case.firms), _rank_one(case.firms)

    @_jit
    def start(p, z, w):
        for i in range(firms):
            w[_LOWER, i], w[_UPPER, i] = 0.0, math.exp(math.log(p[1 + i]) * (-p[0] / (1.0 + p[0])))
            w[_V, i] = 1.0
        middle(z, w)

    @_jit
    def step(p, z, w):
        # g_i = P + P' z_i - c_i z_i.
        power, total = 1.0 / p[0], 0.0
        for i in range(firms):
            total += z[i]
        price = math.exp(-power * math.log(total))
        slope = -power * price / total
        bend = -(power + 1.0) * slope / total
        for i in range(firms):
            w[_D, i] = slope - p[1 + i]
            w[_U, i] = slope + bend * z[i]
            w[_G, i] = price + w[_D, i] * z[i]
        return newton(z, w)

    return start, step


def _murphy_sherali_soyster(case: Case):
    firms, middle, newton = case.firms, _middle(case.firms), _rank_one(case.firms)
    game: Any = case.game
    power, capacity = 1.0 / float(game.elasticity), float(game.capacity)
    exponent = 1.0 / np.asarray(game.exponent, float)
    lower = float(game.bounds()["quantity"][0])

    unit, known, weight = 1.0 / capacity, exponent * np.log(capacity), 1.0 / (exponent + power)

    @_jit
    def start(p, z, w):
        top = math.log(p[0])
        for i in range(firms):
            # (K^(1/beta_i) D^(1/e))^(1/(1/beta_i + 1/e))
            w[_LOWER, i], w[_UPPER, i] = lower, math.exp((known[i] + power * top) * weight[i])
            w[_V, i] = 1.0
        middle(z, w)

    @_jit
    def step(p, z, w):
        # g_i = P + P' z_i - c_i - (z_i/K)^(1/beta_i).
        total = 0.0
        for i in range(firms):
            total += z[i]
        price = math.exp(power * math.log(p[0] / total))
        slope = -power * price / total
        bend = -(power + 1.0) * slope / total
        for i in range(firms):
            cost = math.exp(exponent[i] * math.log(z[i] * unit))
            w[_D, i] = slope - exponent[i] * cost / z[i]
            w[_U, i] = slope + bend * z[i]
            w[_G, i] = price + slope * z[i] - p[1 + i] - cost
        return newton(z, w)

    return start, step


def _logit_bertrand(case: Case):
    firms, newton = case.firms, _rank_one(case.firms)

    @_jit
    def start(p, z, w):
        alpha, appeal = p[0], 0.0
        for i in range(firms):
            z[i] = p[1 + firms + i] + 1.0 / alpha
            appeal += math.exp(p[1 + i] - alpha * z[i])
        most = 2.0 * (1.0 + math.log1p(appeal)) / alpha
        for i in range(firms):
            w[_LOWER, i], w[_UPPER, i] = p[1 + firms + i], p[1 + firms + i] + most

    @_jit
    def step(p, z, w):
        # g_i = 1 - alpha m_i (1 - s_i), the derivative of the payoff divided by s_i; m_i = z_i - c_i.
        alpha, total = p[0], 1.0
        for i in range(firms):
            w[_V, i] = math.exp(p[1 + i] - alpha * z[i])
            total += w[_V, i]
        total = 1.0 / total
        for i in range(firms):
            share = w[_V, i] * total
            markup = alpha * (z[i] - p[1 + firms + i])
            w[_V, i] = share
            w[_U, i] = alpha * markup * share
            w[_D, i] = -alpha * (1.0 - share) - w[_U, i]
            w[_G, i] = 1.0 - markup * (1.0 - share)
        # The shares are both v and a factor of u: u_i v_j = (alpha m_i alpha s_i) s_j.
        return newton(z, w)

    return start, step


def _research_spillovers(case: Case):
    game: Any = case.game
    a, b = float(game.intercept), float(game.slope)

    @_jit
    def start(p, z, w):
        most = min(p[2], p[3]) / (1.0 + p[0])
        for i in range(2):
            w[_LOWER, i], w[_UPPER, i] = 0.0, most
            z[i] = 0.5 * most

    @_jit
    def step(p, z, w):
        # g_i = 2 b q_i (dq_i/dz_i) - gamma z_i with q_i = (2 m_i - m_j)/(3 b), m the margins before competition.
        beta, gamma, third = p[0], p[1], 1.0 / (3.0 * b)
        first, second = a - p[2] + z[0] + beta * z[1], a - p[3] + z[1] + beta * z[0]
        gain = 2.0 * b * (2.0 - beta) * third
        g0 = gain * (2.0 * first - second) * third - gamma * z[0]
        g1 = gain * (2.0 * second - first) * third - gamma * z[1]
        own, cross = gain * (2.0 - beta) * third - gamma, gain * (2.0 * beta - 1.0) * third
        scale = 1.0 / (own * own - cross * cross)
        far = max(_move(z, 0, (cross * g1 - own * g0) * scale, w), _move(z, 1, (cross * g0 - own * g1) * scale, w))
        return far <= _SHORT * max(z[0], z[1])

    return start, step


def _open_sourcing(case: Case):
    """Outsiders differ in nothing: one strategy for the owner and one for all outsiders are unknown.

    U_j = delta m_j (1 - d + d m_j) q_j^2 - gamma x_j^2/(2 psi_j) with
    q_j = (A_j - d Q)/D_j, Q = sum_k m_k A_k/D_k / (1 + d sum_k m_k/D_k), and qualities A linear in research x.
    """
    game: Any = case.game
    n, d, rho = game.outsiders, float(game.competition), float(game.idea_substitution)
    assert rho == 1.0, "Ideas are summed."
    gamma, discount, alpha = float(game.research_cost), float(game.discount), float(game.base_quality)
    out, side, lost = float(game.spill_out), float(game.spill_side), float(game.edge_persistence * game.edge)

    @_jit
    def start(p, z, w):
        s, theta, back = p[0], p[1], p[3]
        psi, m = p[2] + (1.0 - p[2]) * theta, (1.0 - p[0]) / n
        own = discount * s / (gamma * (2.0 * (1.0 - d) + d * s))
        other = discount * psi * m / (gamma * (2.0 * (1.0 - d) + d * m))
        most = bound = 10.0 * alpha
        if own < 1.0 and other < 1.0:
            own, other = own / (1.0 - own), other / (1.0 - other)
            back, sideways = own * back * theta * n, 1.0 - other * side * theta * (n - 1)
            scale = alpha / (sideways - back * other * out * theta)
            x, y = (sideways * own + back * other) * scale, (other * out * theta * own + other) * scale
            if x >= 0.0 and y >= 0.0:
                most, bound = min(2.0 * x, most), min(2.0 * y, bound)
        w[_LOWER, 0], w[_UPPER, 0], w[_LOWER, 1], w[_UPPER, 1] = 0.0, most, 0.0, bound
        z[0], z[1] = 0.5 * most, 0.5 * bound

    @_jit
    def step(p, z, w):
        s, theta, psi0, back = p[0], p[1], p[2], p[3] * p[1]
        psi, m = psi0 + (1.0 - psi0) * theta, (1.0 - s) / n
        fork, aside = out * theta, side * theta
        big, small = 1.0 / (2.0 * (1.0 - d) + d * s), 1.0 / (2.0 * (1.0 - d) + d * m)
        quality = alpha + z[0] + back * n * z[1]
        others = alpha - (1.0 - theta) * lost + fork * z[0] + (1.0 + aside * (n - 1)) * z[1]
        # What a unit of quality of the owner, of one outsider, adds to the total Q, before the price falls.
        first, each = s * big, m * small
        scale = 1.0 / (1.0 + d * (first + n * each))
        total = (first * quality + n * each * others) * scale
        # Derivatives of the total in the owner's research, and in that of one outsider.
        by_owner = (first + n * each * fork) * scale
        by_one = (first * back + each * (1.0 + (n - 1) * aside)) * scale
        # Quantities, their derivatives in the own strategy, in the owner's and in all outsiders' together.
        q0, q1 = (quality - d * total) * big, (others - d * total) * small
        own0, own1 = (1.0 - d * by_owner) * big, (1.0 - d * by_one) * small
        all0 = (back * n - d * n * by_one) * big
        from1, all1 = (fork - d * by_owner) * small, (1.0 + aside * (n - 1) - d * n * by_one) * small
        gain0 = 2.0 * discount * s * (1.0 - d + d * s) * own0
        gain1 = 2.0 * discount * m * (1.0 - d + d * m) * own1
        g0, g1 = gain0 * q0 - gamma * z[0], gain1 * q1 - gamma / psi * z[1]
        a, b, c, e = gain0 * own0 - gamma, gain0 * all0, gain1 * from1, gain1 * all1 - gamma / psi
        scale = 1.0 / (a * e - b * c)
        far = max(_move(z, 0, (b * g1 - e * g0) * scale, w), _move(z, 1, (c * g0 - a * g1) * scale, w))
        for i in range(2, n + 1):
            z[i] = z[1]
        return far <= _SHORT * max(z[0], z[1])

    return start, step


_GAMES: dict[type, Callable[[Case], tuple[Any, Any]]] = {
    LinearCournot: _linear_cournot,
    IsoelasticCournot: _isoelastic_cournot,
    MurphySheraliSoyster: _murphy_sherali_soyster,
    LogitBertrand: _logit_bertrand,
    ResearchSpillovers: _research_spillovers,
    OpenSourcing: _open_sourcing,
}
