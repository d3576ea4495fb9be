"""What the figures about access to a language model share: the regimes, solved and certified, by name."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import xarray as xr

from nashgrid.games import PlannedGood, QuasiPublicGood, access_equity, first_best, publicness
from nashgrid.solver import Newton, Status, at_points

from ._style import BLUE, GREEN, ORANGE

REGIMES = {"closed": BLUE, "open": ORANGE, "planned": GREEN}
"""Regime -> its colour."""
VARIED = ("subsidy", "cofunding", "openness", "hosting_cost")
"""The parameters that policies change."""
_OUTCOMES = ("welfare", "gini", "public_outlay", "total_usage")


def policies(games: Mapping[str, QuasiPublicGood]) -> xr.Dataset:
    """The certified equilibria of games that differ in `VARIED` only, by name."""
    points = {name: np.array([float(getattr(game, name)) for game in games.values()]) for name in VARIED}
    data = at_points(QuasiPublicGood(), points, method=Newton(), progress=False)
    if (data["status"] != Status.successful).any():
        raise RuntimeError("A policy has no certified equilibrium.")
    return data.assign_coords(point=list(games)).rename(point="policy")


def policy_grid(axes: Mapping[str, np.ndarray]) -> xr.Dataset:
    """The equilibria of all combinations of instruments, with their status."""
    points = {name: value.reshape(-1) for name, value in zip(axes, np.meshgrid(*axes.values()), strict=True)}
    return at_points(QuasiPublicGood(), points, method=Newton(), keep=_OUTCOMES, progress=False)


def planned(game: PlannedGood) -> dict[str, np.ndarray]:
    """Usage, equity and publicness of the first best."""
    users = game.users()
    best = first_best(game, users)
    total = jnp.sum(game.mass * best.usage)
    every = {"usage": best.usage, "quality": best.quality, "welfare": best.welfare, "total_usage": total}
    every |= access_equity(best.usage, game.mass) | publicness(
        game, users, best.quality, users.benefit(best.quality, best.usage), total
    )
    return {name: np.asarray(value) for name, value in every.items()}
