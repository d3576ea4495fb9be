"""Whether a network of users takes off: network effects up to the tipping point and past it.

Members of group k use Q_k in [0, Qmax], at the price p and quality A, and expect the network to be N^e:

    u_k = (y_k A - p + eta N^e) Q_k - D Q_k^2/2,     eta = xi - rho/kappa.

Fulfilled expectations (Katz and Shapiro, 1985, American Economic Review 75): N^e = sum_k mu_k Q_k. While eta < D there
is one equilibrium. Past the tipping point eta = D usage feeds on itself, up to Qmax, and if users are alike up to three
equilibria are side by side:

    nobody        N = 0                              if y A <= p,
    critical      N = (p - y A)/(eta - D)            if this is in (0, Qmax),
    everybody     N = Qmax                           if y A + eta Qmax >= p + D Qmax.

The critical mass is unstable: a little more and all come, a little less and all leave. With several groups there can be
more (`adoption_equilibria` lists all). Which one is played is not derived but selected: by expectations, by welfare, by
where adoption starts (`nashgrid.solver.Selected`). With eta > 0 and p + eps >= m welfare ranks them by usage: each user
gains from a larger network.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from nashgrid.solver import Profile, parameter

from ._access_report import access_equity
from ._measures import firm_names
from ._user_groups import FixedCapacity


class NetworkAdoption(FixedCapacity):
    """Users who choose how much to use in the expectation of a network, and expectations that are fulfilled.

    Firms "group 1", ... and "expectations"; strategies "usage" by group and "expected_usage", of shape (1,), whose
    payoff -(N^e - N)^2/2 makes it fulfilled. Quality is the base quality; developers play no part but for D.

    >>> game = NetworkAdoption(mass=(1.0,), need=(1.0,), network_externality=1.5, price=1.2)
    >>> [round(float(n), 3) for n in adoption_equilibria(game).total_usage if n >= 0]
    [0.0, 0.3, 2.0]
    """

    price: Float[Array, ""] = parameter(0.15, "p: price of a use")
    saturation: Float[Array, ""] = parameter(2.0, "Qmax > 0: the most that anybody uses")

    @property
    def firms(self) -> tuple[str, ...]:
        return (*firm_names(self.mass.shape[-1], "group"), "expectations")

    def owners(self) -> dict[str, tuple[int, ...]]:
        groups = self.mass.shape[-1]
        return {"usage": tuple(range(groups)), "expected_usage": (groups,)}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"usage": ("group",), "expected_usage": ("network",)}

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        return {
            "usage": (0.0, self.saturation),
            "expected_usage": (0.0, self.saturation * jnp.sum(self.mass)),
        }

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        usage, expected = s["usage"], s["expected_usage"]
        users = self.users()
        value = self.need * self.base_quality - self.price + users.network * expected[0]
        surplus = value * usage - users.slope * jnp.square(usage) / 2.0
        missed = -jnp.square(expected - jnp.sum(self.mass * usage)) / 2.0
        return jnp.concatenate([surplus, missed])

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Total usage, consumer surplus, welfare (with the value eps N to others, and the price less the resource
        cost), and the measures of `access_equity`."""
        usage, users = s["usage"], self.users()
        total = jnp.sum(self.mass * usage)
        surplus = users.benefit(self.base_quality, usage) - self.price * total
        return {
            "total_usage": total,
            "consumer_surplus": surplus,
            "welfare": surplus + (self.price - self.resource_cost + self.spillover) * total,
            **access_equity(usage, self.mass),
        }


class Adoption(NamedTuple):
    """Every configuration of groups that use nothing, something, or all they can: NaN where it is no equilibrium."""

    total_usage: Float[Array, " configuration"]
    usage: Float[Array, "configuration group"]
    stable: Bool[Array, " configuration"]
    """Whether expectations that follow usage come back after a small change: eta times the mass between < D."""


def adoption_equilibria(game: NetworkAdoption) -> Adoption:
    """All equilibria: the neediest groups at Qmax, the next inside, the others at 0, for each of (K + 1)(K + 2)/2 cuts.

    With the groups F at Qmax and I inside N = (sum_I mu (y A - p) + D Qmax sum_F mu)/(D - eta sum_I mu). Equal needs
    must be one group. At a tie (a group just at an end) an equilibrium can be listed twice.
    """
    users, eta, top = game.users(), game.users().network, game.saturation
    groups = game.mass.shape[-1]
    # rank 0 is the neediest.
    rank = jnp.sum(game.need[None, :] > game.need[:, None], axis=1, dtype=jnp.int32)
    cuts = np.array([(full, some) for full in range(groups + 1) for some in range(full, groups + 1)], np.int32)
    full = rank[None, :] < cuts[:, :1]
    inside = ~full & (rank[None, :] < cuts[:, 1:])
    value = (game.need * game.base_quality - game.price)[None, :]
    mass = game.mass[None, :]
    reach = jnp.sum(jnp.where(inside, mass, 0.0), axis=1)
    supply = jnp.sum(jnp.where(inside, mass * value, jnp.where(full, users.slope * top * mass, 0.0)), axis=1)
    left = users.slope - eta * reach
    total = supply / jnp.where(left != 0.0, left, 1.0)
    wanted = (value + eta * total[:, None]) / users.slope
    fits = jnp.where(full, wanted >= top, jnp.where(inside, (wanted > 0.0) & (wanted < top), wanted <= 0.0))
    exists = jnp.all(fits, axis=1) & (left != 0.0)
    usage = jnp.where(full, top, jnp.where(inside, wanted, 0.0))
    return Adoption(
        jnp.where(exists, total, jnp.nan), jnp.where(exists[:, None], usage, jnp.nan), exists & (left > 0.0)
    )
