"""Newton's method as it is usually written in JAX: `vmap` of a `while_loop` over `jacfwd` and `jnp.linalg.solve`.

One program for all points on one device. (Inside `shard_map` over several CPU devices the batched LAPACK calls of
`jnp.linalg.solve` can wait for each other for ever, with jaxlib 0.10.2; XLA may still use several threads.)
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._cases import Case
from ._competitor import Answer, Competitor, Prepared, timed

_STEPS = 50
# In the payoffs' units; at 1e-8 a tenth of the logit points would miss the common tolerance by their scale alone.
_ENOUGH = 1e-10


def first_order(case: Case, values: Float[Array, " parameter"], z: Float[Array, " firm"]) -> Float[Array, " firm"]:
    """Every firm's derivative of its payoff in its own strategy."""
    game = case.at(values)
    return jnp.diagonal(jax.jacfwd(lambda z: case.payoff(game, z))(z))


def newton(case: Case, values: Float[Array, " parameter"]) -> Float[Array, " firm"]:
    """Newton's method, kept inside the bounds."""
    game = case.at(values)
    lower, upper = case.bounds(game)

    def conditions(z):
        return first_order(case, values, z)

    def unfinished(state):
        _, f, steps = state
        return (jnp.max(jnp.abs(f)) > _ENOUGH) & (steps < _STEPS)

    def step(state):
        z, f, steps = state
        z = jnp.clip(z - jnp.linalg.solve(jax.jacfwd(conditions)(z), f), lower, upper)
        return z, conditions(z), steps + 1

    z = case.start(game)
    return jax.lax.while_loop(unfinished, step, (z, conditions(z), 0))[0]


def _prepare(case: Case, points: Float[np.ndarray, "point parameter"]) -> Prepared:
    at = jax.device_put(points, jax.local_devices()[0])
    program = jax.jit(jax.vmap(lambda values: newton(case, values)))
    compile_s = timed(lambda: program.lower(at).compile())
    return Prepared(compile_s, lambda: Answer(np.asarray(program(at).block_until_ready()), None))


PLAIN = Competitor(
    "plain", "vmap of a while_loop: jacfwd Newton steps with jnp.linalg.solve; one program on one device", _prepare
)
