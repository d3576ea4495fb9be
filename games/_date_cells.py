"""Is what developers invest in a period an equilibrium? The library's certificate at every closed form of a path.

A cell is one period: the quality that each developer starts it with, and who is open. Its closed form satisfies the
conditions of the first order; whether it is an equilibrium is what a search for deviations says. Cells that are the
same in several paths are looked at once, all of them in one sweep that starts, and has to stay, at the closed forms.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from nashgrid.solver import GameError, Newton, Status, at_points, parameter

from .mixed_openness import MixedOpenness


class _Cell(MixedOpenness):
    """One period's investment, played from the closed form on. Qualities before investment are by developer."""

    formula: Float[Array, " firm"] = parameter((0.0, 0.0, 0.0), "the closed form")

    def start(self) -> Mapping[str, ArrayLike]:
        return {"investment": self.formula}


def cell_status(
    market: MixedOpenness,
    base: Float[np.ndarray, "cell firm"],
    opened: Float[np.ndarray, "cell firm"],
    investment: Float[np.ndarray, "cell firm"],
    valued: Array | np.ndarray,
) -> Int[np.ndarray, " cell"]:
    """The `Status` of each cell: `successful` if the closed form passes both checks of a certificate.

    `not_computed` where there is no quality to start with, `invalid_bounds` where there is no closed form,
    `first_order` where the solver does not stay at it.

    Args:
        market: the developers.
        base: the quality that developers start the period with.
        opened: 1 open, 0 closed.
        investment: the closed form, NaN where there is none.
        valued: whether each cell has a value; else it is `nonfinite`.

    Raises:
        GameError: the market is of a subclass, whose payoffs would not be those that are certified.
    """
    if type(market) is not MixedOpenness:
        raise GameError(
            f"dates are certified by the payoffs of MixedOpenness, not of its subclass {type(market).__name__}."
        )
    begun, formed = np.isfinite(base).all(axis=1), np.isfinite(investment).all(axis=1)
    status = np.where(begun, np.where(formed, Status.nonfinite, Status.invalid_bounds), Status.not_computed)
    judged = begun & formed & np.asarray(valued)
    if not judged.any():
        return status
    rows, back = np.unique(np.concatenate([base, opened, investment], axis=1)[judged], axis=0, return_inverse=True)
    n, whole = base.shape[1], cast(Any, market)
    own = {field.name: getattr(whole, field.name) for field in dataclasses.fields(whole)}
    cell = _Cell(**(own | {"base_quality": rows[0, :n], "open": rows[0, n : 2 * n]}), formula=rows[0, 2 * n :])
    names = [f"{name}[{i}]" for name in ("base_quality", "open", "formula") for i in range(n)]
    found = at_points(
        cell, dict(zip(names, rows.T, strict=True)), method=Newton(), keep=("investment",), progress=False
    )
    formula = rows[:, 2 * n :]
    # Newton's method may take a step from a point that already passes; more than rounding is another point.
    near = np.sqrt(np.finfo(base.dtype).eps) * (1.0 + np.abs(formula))
    stays = (np.abs(found["investment"].values - formula) <= near).all(axis=1)
    codes = found["status"].values
    elsewhere = (codes == Status.successful) & ~stays
    status[judged] = np.where(elsewhere, Status.first_order, codes)[back.reshape(-1)]
    return status
