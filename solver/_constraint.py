"""Constraints on several strategies at once: capacities, emission caps, budgets.

With them a firm's set of strategies depends on what the others do: a generalized Nash game (Debreu 1952; Arrow & Debreu
1954). A constraint that all firms share leaves a continuum of equilibria, one for each way to divide its burden. The
variational equilibrium divides it by one price: the same multiplier for every firm, as if the constrained resource were
traded competitively (Rosen 1965 with equal weights; Facchinei & Kanzow 2010, Annals of Operations Research 175). That
is the one that is solved for:

    max over s_i of  pi_i(s) - sum_k lambda_k c_k(s),    0 <= lambda_k,  c_k(s) <= 0,  lambda_k c_k(s) = 0.

It exists and is unique if the own gradients are strictly monotone and every c_k is convex. A constraint with an owner
is in the problem of this firm only.
"""

import dataclasses
import math

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from . import _numpy as jnp
from ._errors import GameError


class Constraint(eqx.Module):
    """lower <= value <= upper, shared by all firms or in the problem of its owner only; see `Game.constraints`.

    Its multiplier is what every firm that is subject to it would gain per unit by a higher limit: positive where
    `upper` binds, negative where `lower` binds, zero where neither does.

    Args:
        value: the constrained quantity, a scalar or an array: one constraint for each entry.
        lower: scalar or of the shape of `value`; may depend on the parameters, not on the strategies.
        upper: likewise; equal to `lower` for an equality, infinite for none.
        owner: None for a constraint that all firms share, else the name of the firm that is subject to it, or a tuple
            with the name of the firm for each leading entry of `value`.

    >>> from nashgrid.solver import Game, parameter, solve
    >>> class Capped(Game):
    ...     cap: Float[Array, ""] = parameter(4.0, "how much all firms together may produce")
    ...     firms = ("A", "B")
    ...     def bounds(self):
    ...         return {"q": (0.0, 10.0)}
    ...     def payoff(self, s):
    ...         return (10.0 - s["q"].sum()) * s["q"]
    ...     def constraints(self, s):
    ...         return {"cap": Constraint(s["q"].sum(), upper=self.cap)}
    >>> eq = solve(Capped(), tol=1e-4)
    >>> eq.strategy["q"].round(3).tolist(), round(float(eq.multipliers["cap"]), 3)
    ([2.0, 2.0], 4.0)
    """

    value: Float[Array, "..."]
    lower: ArrayLike = eqx.field(default=-math.inf, kw_only=True)
    upper: ArrayLike = eqx.field(default=math.inf, kw_only=True)
    owner: str | tuple[str, ...] | None = eqx.field(static=True, default=None, kw_only=True)


@dataclasses.dataclass(frozen=True)
class Rule:
    """What is known of one constraint before its numbers are."""

    name: str
    shape: tuple[int, ...]
    sides: tuple[int, ...]
    """1 for an upper limit, -1 for a lower one."""
    equal: bool
    """Whether the two limits are the same object; otherwise equal limits are noticed by their values."""
    owners: tuple[int, ...]
    """The firm that is subject to each entry, -1 for all."""

    @property
    def size(self) -> int:
        """The number of entries."""
        return len(self.owners)


@dataclasses.dataclass(frozen=True)
class Rules:
    """All constraints of a game, as one stacked vector of rows c <= 0: entries of a constraint, side by side."""

    rules: tuple[Rule, ...]
    firms: int

    @property
    def rows(self) -> int:
        """How many rows there are in all."""
        return sum(rule.size * len(rule.sides) for rule in self.rules)

    def applies(self) -> Bool[np.ndarray, "row firm"]:
        """Which firms are subject to each row."""
        owners = np.concatenate([np.tile(rule.owners, len(rule.sides)) for rule in self.rules])
        return (owners[:, None] < 0) | (owners[:, None] == np.arange(self.firms)[None, :])

    def excess(self, constraints: dict[str, Constraint], dtype: jnp.dtype) -> Float[Array, " row"]:
        """By row: how far the limit is exceeded; -1 where there is no limit."""
        parts = []
        for rule in self.rules:
            value = constraints[rule.name].value.reshape(-1)
            for side, limit in zip(rule.sides, self._limits(rule, constraints, dtype), strict=True):
                finite = jnp.isfinite(limit)
                parts.append(jnp.where(finite, side * (value - jnp.where(finite, limit, 0.0)), -1.0))
        return jnp.concatenate(parts)

    def signs(
        self, constraints: dict[str, Constraint], dtype: jnp.dtype
    ) -> tuple[Float[Array, " row"], Float[Array, " row"]]:
        """By row: between what its multiplier may be; an empty interval where the limits exclude everything."""
        lowest, highest = [], []
        for rule in self.rules:
            one = constraints[rule.name]
            lower, upper = (_spread(limit, rule.shape, dtype) for limit in (one.lower, one.upper))
            valid = (lower <= upper) & (lower < jnp.inf) & (upper > -jnp.inf)
            equal = jnp.ones_like(valid) if rule.equal else lower == upper
            for side in rule.sides:
                none = ~jnp.isfinite(upper) if side > 0 else ~jnp.isfinite(lower) | equal
                low = jnp.where(equal & ~none, -jnp.inf, 0.0) if side > 0 else jnp.zeros_like(lower)
                lowest.append(jnp.where(valid, low, 1.0))
                highest.append(jnp.where(valid & ~none, jnp.inf, 0.0))
        return jnp.concatenate(lowest).astype(dtype), jnp.concatenate(highest).astype(dtype)

    def named(self, prices: Float[Array, " row"]) -> dict[str, Array]:
        """The multipliers by the name of the constraint, of the shape of its value."""
        found, at = {}, 0
        for rule in self.rules:
            total = jnp.zeros(rule.size, prices.dtype)
            for side in rule.sides:
                total = total + side * prices[at : at + rule.size]
                at += rule.size
            found[rule.name] = total.reshape(rule.shape)
        return found

    def _limits(self, rule: Rule, constraints: dict[str, Constraint], dtype: jnp.dtype):
        one = constraints[rule.name]
        return [_spread(one.upper if side > 0 else one.lower, rule.shape, dtype) for side in rule.sides]


def rule_of(what: str, name: str, constraint: Constraint, firms: tuple[str, ...]) -> Rule:
    """The static part of a constraint, or a refusal that names it.

    Raises:
        GameError: limits or owners do not fit the value, or nothing is limited.
    """
    shape = np.shape(constraint.value)
    for side, limit in (("lower", constraint.lower), ("upper", constraint.upper)):
        if np.shape(limit) not in ((), shape):
            raise GameError(
                f"{what}[{name!r}] has a value of shape {shape} and an {side} limit of shape {np.shape(limit)}; give a "
                "scalar or the shape of the value."
            )
    endless = [_never(constraint.upper, math.inf), _never(constraint.lower, -math.inf)]
    if all(endless):
        raise GameError(f"{what}[{name!r}] limits nothing; give it an upper or a lower limit.")
    equal = constraint.lower is constraint.upper
    sides = tuple(side for side, never in zip((1, -1), endless, strict=True) if not never)
    by = constraint.owner
    count = math.prod(shape)
    if isinstance(by, tuple) and (not shape or len(by) != shape[0]):
        raise GameError(
            f"{what}[{name!r}] has a value of shape {shape} and {len(by)} owners; give one firm for each leading entry."
        )
    for owner in by if isinstance(by, tuple) else (by,):
        if owner is not None and owner not in firms:
            raise GameError(f"{what}[{name!r}] has the owner {owner!r}; the firms are {firms}.")
    each = by if isinstance(by, tuple) else (by,) * count
    numbers = [-1 if owner is None else firms.index(owner) for owner in each]
    owners = tuple(int(i) for i in np.repeat(numbers, count // max(len(numbers), 1)))
    return Rule(name, shape, (1,) if equal else sides, equal, owners)


def _spread(limit: ArrayLike, shape: tuple[int, ...], dtype: jnp.dtype) -> Float[Array, " entry"]:
    """A limit for each entry of the value."""
    limit = jnp.asarray(limit, dtype)
    return jnp.broadcast_to(limit if limit.shape == shape else limit.reshape((1,) * len(shape)), shape).reshape(-1)


def _never(limit: ArrayLike, infinity: float) -> bool:
    """Whether a limit is known to be none, whatever the parameters."""
    return not isinstance(limit, jax.Array) and bool(np.all(np.asarray(limit) == infinity))
