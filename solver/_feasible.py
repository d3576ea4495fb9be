"""What a firm may do when constraints depend on what the others do.

Deviations are compared inside the constraints only. A point outside is moved to a near one inside by Gauss-Newton steps
on the violated constraints, so that edges and equalities, which no sample hits, are searched too.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from . import _numpy as jnp
from ._alike import alike
from ._layout import Layout
from ._linear import solve
from ._priced import Priced

_STEPS = 8
_RIDGE = 1e-6


class Feasible(eqx.Module):
    """The constraints of a game around one profile, whose own violations, if any, are forgiven."""

    game: Priced
    limit: Float[Array, " row"]
    """The largest excess that is allowed."""
    rounding: Float[Array, " row"]
    """What is added to it."""
    layout: Layout = eqx.field(static=True)

    def allows(self, firm: Int[Array, ""], z: Float[Array, " strategy"]) -> Bool[Array, ""]:
        """Whether the profile z satisfies the constraints that the firm is subject to."""
        return jnp.all(self._excess(firm, z) <= self.rounding)

    def nearest(
        self,
        firm: Int[Array, ""],
        place: Callable[[Float[Array, " own"]], Float[Array, " strategy"]],
        own: Float[Array, " own"],
        lower: Float[Array, " own"],
        upper: Float[Array, " own"],
        size: Float[Array, " own"],
    ) -> Float[Array, " own"]:
        """A near point inside the firm's constraints, in units of `size`; `own` itself if it is inside."""

        def excess(own):
            value = self._excess(firm, place(own))
            return value, value

        def outside(state):
            own, steps = state
            return (steps < _STEPS) & jnp.any(excess(own)[0] > self.rounding)

        def step(state):
            own, steps = state
            slopes, value = jax.jacfwd(excess, has_aux=True)(own)
            rows = jnp.where((value > 0.5 * self.rounding)[:, None], slopes * size[None, :], 0.0)
            # What a bound stops must not be counted on.
            push = jnp.sum(rows, axis=0)
            stopped = ((own <= lower) & (push > 0)) | ((own >= upper) & (push < 0))
            rows = jnp.where(stopped[None, :], 0.0, rows)
            length = jnp.sqrt(jnp.sum(jnp.square(rows), axis=1))
            counts = length > 0
            safe = jnp.where(counts, length, 1.0)
            rows = rows / safe[:, None]
            gram = jnp.sum(rows[:, None, :] * rows[None, :, :], axis=2)
            eye = np.eye(len(value), dtype=bool)
            gram = jnp.where(eye, jnp.where(counts, 1.0 + _RIDGE, 1.0)[:, None], gram)
            share = solve(gram, jnp.where(counts, value / safe, 0.0))
            return jnp.clip(own - size * jnp.sum(rows * share[:, None], axis=0), lower, upper), steps + 1

        begin = alike((own, jnp.zeros((), jnp.int32)), own)
        return jax.lax.while_loop(outside, step, begin)[0]

    def _excess(self, firm, z):
        """By row, above `limit`; below any rounding for constraints that the firm is not subject to."""
        subject = jnp.any(
            self.game.rules.applies() & (np.arange(self.layout.firms, dtype=np.int32) == firm)[None, :], axis=1
        )
        excess = self.game.excess(self.layout.unflatten(z))
        return jnp.where(subject, excess - self.limit, -1.0)
