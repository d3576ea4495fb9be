"""The points of a branch: their certificates, what they report, and all of them as one labelled result."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from . import _numpy as jnp
from ._arclength import Curve, gain_of
from ._equilibrium import equilibrium
from ._errors import GameError
from ._labels import EVIDENCE, derivative, evidence, reported, schema
from ._layout import dtype_of, strategy_scale
from ._method import Iterate, Method
from ._pieces import At
from ._search import GlobalSearch
from ._solution import Equilibrium
from ._status import Status

_AXIS = "point"


class Given(Method):
    """A method that proposes its start: the points of a branch are only judged."""

    escapes: int = eqx.field(static=True, default=0)

    def run(self, conditions, z, *, tol, max_steps):
        return Iterate(z, jnp.zeros((), z.dtype), jnp.zeros((), jnp.int32))


@dataclasses.dataclass(frozen=True, eq=False)
class Report:
    """A point, judged."""

    one: Equilibrium
    rates: dict[str, np.ndarray]
    """By name, the derivative in the parameter along the branch."""

    @property
    def status(self) -> int:
        """The code of `Status`."""
        return int(self.one.status)


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """One point of the result."""

    arclength: float
    at: At
    report: Report
    size: np.ndarray
    kinds: tuple[str, ...] = ()


class Points:
    """What is known about single points of a curve.

    Args:
        curve: the game and the parameter.
        tol: bound on residual and regret.
        search: how to search for deviations; None for not at all.
        width: the unit of the parameter.
    """

    def __init__(self, curve: Curve, tol: float, search: GlobalSearch | None, width: float):
        self.curve, self.tol, self.search, self.width = curve, tol, search, width
        self.layout, self.dtype = curve.layout, dtype_of(curve.game)
        self.certified = Status.first_order if search is None else Status.successful

    def profile(self, z: np.ndarray) -> dict[str, np.ndarray]:
        """The strategies by name."""
        return {name: np.asarray(part) for name, part in self.layout.unflatten(jnp.asarray(z, self.dtype)).items()}

    def size_at(self, u: np.ndarray, least: np.ndarray) -> np.ndarray:
        """The unit of each unknown: of strategies, their size or `least`, so that many firms count as one."""
        return np.asarray(_sizes(self.curve, jnp.asarray(u, self.dtype), jnp.asarray(least, self.dtype), self.width))

    def report(self, at: At, size: np.ndarray) -> Report:
        """The point judged, with the derivatives of what it reports."""
        way = at.way * size
        u, along = jnp.asarray(at.u, self.dtype), jnp.asarray(way, self.dtype)
        one, rates = jax.device_get(_report(self.curve, u, along, self.tol, self.search))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return Report(one, {name: np.asarray(rate, np.float64) / way[-1] for name, rate in rates.items()})

    def gain(self, u: np.ndarray, firm: int, deviation: np.ndarray) -> float:
        """What a firm gains at the local maximum next to its deviation."""
        numbers = jnp.asarray(u, self.dtype), jnp.asarray(firm, jnp.int32), jnp.asarray(deviation, self.dtype)
        return float(gain_of(self.curve, *numbers, float(jnp.finfo(self.dtype).eps) ** 0.75))

    def dataset(self, rows: list[Row], arclength: np.ndarray, ends: tuple[str, str]) -> xr.Dataset:
        """The labelled result."""
        where = self.curve.where
        first = rows[0].report.one
        plan = schema(self.curve.game, first, (), (), (where,), {})
        columns = [{**reported(row.report.one), **evidence(row.report.one)} for row in rows]
        rates = [{derivative(name, where.name): rate for name, rate in row.report.rates.items()} for row in rows]
        radii = np.array([row.at.radius for row in rows], self.dtype)
        data = {}
        for v in plan.variables:
            if v.name == "steps":
                continue
            values = [c[v.name] if v.name in c else rate[v.name] for c, rate in zip(columns, rates, strict=True)]
            data[v.name] = ((_AXIS, *v.dims), np.stack(values).astype(v.dtype), v.attrs)
        text = {"long_name": "stability", "description": EVIDENCE["stability"]}
        data["stability"] = (_AXIS, radii, text)
        data["event"] = (_AXIS, np.array([", ".join(row.kinds) for row in rows]), {"long_name": "events at the point"})
        values = np.array([row.at.value for row in rows])
        coords = {name: (name, *rest) for name, rest in plan.coords.items()}
        label = {"long_name": where.name.replace("_", " "), "description": where.doc}
        if clash := {where.name, "arclength", "event", _AXIS} & ({*data, *coords} - {"event"}):
            raise GameError(f"'{clash.pop()}' is the name of a result and of a coordinate of a branch; rename one.")
        coords |= {where.name: (_AXIS, values, label), "arclength": (_AXIS, arclength, {"long_name": "arclength"})}
        attrs = {
            "game": type(self.curve.game).__name__,
            "parameter": where.name,
            "concept": self.curve.game.concept(),
            "method": "pseudo-arclength continuation",
            "tol": self.tol,
            "ends": list(ends),
        }
        return xr.Dataset(data, coords, attrs)


@eqx.filter_jit
def _sizes(curve: Curve, u: Float[Array, " unknown"], least: Float[Array, " strategy"], width: float):
    conditions, z = curve.conditions(u[-1]), u[:-1]
    # A free strategy moves, and a held one with its bound: both are measured by what they are.
    size = strategy_scale(z, z, conditions.lower, conditions.upper, curve.layout) * float(np.sqrt(len(z)))
    return jnp.concatenate([jnp.maximum(size, least), jnp.full((1,), width, z.dtype)])


@eqx.filter_jit
def _report(curve: Curve, u: Float[Array, " unknown"], way: Float[Array, " unknown"], tol: float, search):
    game, s = curve.at(u[-1]), curve.layout.unflatten(u[:-1])
    one = equilibrium(game, Given(), start=s, tol=tol, max_steps=1, search=search)

    def values(u):
        at, s = curve.at(u[-1]), curve.layout.unflatten(u[:-1])
        every = {**s, "payoff": at.payoff(s), **at.outcomes(s)}
        return {name: value for name, value in every.items() if jnp.issubdtype(value.dtype, jnp.floating)}

    return one, jax.jvp(values, (u,), (way,))[1]
