"""What tests of the evidence share: judging a given profile, a derivative that is wrong, and
quadratic games with everything known."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nashgrid.solver import Certificate, Equilibrium, Game, Method, parameter, solve


class Stay(Method):
    """A method that proposes its start, so that any profile can be judged."""

    escapes: int = eqx.field(static=True, default=0)

    def run(self, conditions, z, *, tol, max_steps):
        from nashgrid.solver._method import Iterate

        del conditions, tol, max_steps
        return Iterate(z, jnp.zeros((), z.dtype), jnp.zeros((), jnp.int32))


def judge(game: Game, profile: dict[str, Any], **options) -> Equilibrium:
    """The certificate and status of `profile`."""
    return solve(game, Stay(), start=profile, throw=False, **options)


def evidence(result: Equilibrium) -> Certificate:
    """The certificate, which has been asked for."""
    assert result.certificate is not None
    return result.certificate


@jax.custom_jvp
def _misdifferentiated(x, wrong):
    return x * (2.0 - x) + 0.0 * wrong


@_misdifferentiated.defjvp
def _(primals, tangents):
    (x, wrong), (d_x, _) = primals, tangents
    return _misdifferentiated(x, wrong), (2.0 - 2.0 * x + 2.0 * wrong) * d_x


class WrongDerivative(Game):
    """x (2 - x), best at 1, whose derivative is wrong, as if it were best at 1 + `wrong`."""

    wrong: Float[Array, ""] = parameter(0.1)
    firms = ("A",)

    def bounds(self):
        return {"x": (0.0, 3.1)}

    def payoff(self, s):
        return _misdifferentiated(s["x"], self.wrong)


class Quadratic(Game):
    """Payoff of firm i: linear_i . z - z' curvature_i z / 2, z all strategies stacked; `owner` says whose each is."""

    linear: Float[Array, "firm strategy"] = parameter()
    curvature: Float[Array, "firm strategy strategy"] = parameter()
    lower: Float[Array, " strategy"] = parameter()
    upper: Float[Array, " strategy"] = parameter()
    owner: tuple[int, ...] = eqx.field(static=True)

    @property
    def firms(self):
        return tuple("ABCDEFGH"[: self.linear.shape[-2]])

    def owners(self):
        return {"z": self.owner}

    def bounds(self):
        return {"z": (self.lower, self.upper)}

    def payoff(self, s):
        z = s["z"]
        moved = jnp.sum(self.curvature * z[None, None, :], axis=2)
        return jnp.sum(self.linear * z[None, :], axis=1) - jnp.sum(moved * z[None, :], axis=1) / 2.0


def quadratic(owner: tuple[int, ...], seed: int, *, width: float = 50.0) -> Quadratic:
    """A random game with concave payoffs and weak interaction, so that it has one equilibrium."""
    rng = np.random.default_rng(seed)
    size, firms = len(owner), max(owner) + 1
    part = rng.normal(size=(firms, size, size)) / np.sqrt(size)
    curvature = 0.3 * (part + part.transpose(0, 2, 1)) / 2 + (1.5 + rng.random(firms))[:, None, None] * np.eye(size)
    same = np.asarray(owner)[:, None] == np.asarray(owner)[None, :]
    curvature = np.where(same[None], curvature, 0.5 * curvature)
    bound = np.full(size, width)
    return Quadratic(rng.normal(size=(firms, size)), curvature, -bound, bound, owner)


class Known:
    """A quadratic game in NumPy: derivatives, equilibrium and best responses, where no bound binds."""

    def __init__(self, game: Quadratic):
        self.linear, self.curvature, self.lower, self.upper = (
            np.asarray(part, float) for part in (game.linear, game.curvature, game.lower, game.upper)
        )
        self.owner = np.asarray(game.owner)
        self.firms = len(self.linear)
        index = np.arange(len(self.owner))
        self.jacobian = -self.curvature[self.owner, index, :]
        self.slope = self.linear[self.owner, index]

    def gradient(self, z: np.ndarray) -> np.ndarray:
        return self.slope + self.jacobian @ z

    def payoff(self, z: np.ndarray) -> np.ndarray:
        return self.linear @ z - np.einsum("fij,i,j->f", self.curvature, z, z) / 2

    def equilibrium(self) -> np.ndarray:
        return np.linalg.solve(self.jacobian, -self.slope)

    def respond(self, z: np.ndarray, firm: int) -> np.ndarray:
        mine = self.owner == firm
        best = z.copy()
        best[mine] += np.linalg.solve(self.jacobian[np.ix_(mine, mine)], -self.gradient(z)[mine])
        return best

    def gains(self, z: np.ndarray) -> np.ndarray:
        return np.array([(self.payoff(self.respond(z, i)) - self.payoff(z))[i] for i in range(self.firms)])
