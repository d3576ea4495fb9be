"""Open sourcing by an owner who is nearer to some outsiders than to others in a space of technologies.

`OpenSourcing`, in which every outsider learns as much from the open model as any other, with positions: firm j is at
z_j, a point of a line, a plane or any space, and what it learns from firm k decays with their distance (technological
proximity: Jaffe 1986, American Economic Review 76; spillovers in technology space apart from rivalry in product
markets: Bloom, Schankerman and Van Reenen 2013, Econometrica 81),

    kappa_jk = exp(-(phi |z_j - z_k|)^p),        p = 1 the exponential kernel, p = 2 the Gaussian one.

Jaffe's positions are shares of a firm's research by field, and his proximity is the cosine of two of them: of vectors
of length 1 it is 1 - |z_j - z_k|^2/2, which falls in distance as kappa does.

Research. Costs are those of `OpenSourcing`; technology is

    T_0 = x_0 + beta theta (sum_i (kappa_0i x_i)^rho)^(1/rho)
    T_i = x_i - (1 - theta) lambda e + beta_o theta kappa_i0 x_0 + beta_s theta sum_{k != i} kappa_ik x_k,

and an open model makes research cheaper the more, the nearer it is: psi_i = psi0 + (1 - psi0) theta [1 - w (1 -
kappa_i0)]. With w = 0, the default, it does so for all alike, and distance matters for spillovers only. Licences, the
second period (all are rivals of all in it, wherever they are) and payoffs are those of `OpenSourcing`, which is the
case phi = 0, or that of all at one place.

At rho = 1 the conditions are linear. With the active set S, K_j = 2 delta psi_j m_j [(1 - d) + d m_j]/gamma, G what a
unit of research of one adds to the technology of another, q = P (alpha - lost) + R x on S, R = P (I + G),

    x_j = K_j R_jj q_j on S,        x_j = 0 else.

`research_in_space` solves this, and finds S by leaving out who would sell least. Where research is dear and nobody
competes only the mean proximity of outsiders counts, weighted by how cheap their research is
(`linear_gain_in_space`): B in `open_sourcing` becomes B mean(kappa_0i psi_i).

What is derived and what is built in:

* An owner in the midst of outsiders gains more from opening than one apart: nearly built in where nobody competes, as
  what comes back is proportional to proximity. Under competition what it shows to outsiders also is.
* Which outsiders gain when a model is opened is derived; near ones learn more from it, and lose as little as all others
  by the edge's being public.
* Where an owner who will open goes, its coordinates chosen by a `Leader`: derived; among outsiders, but away from all
  of them where they learn more from it than it from them and competition is strong.
* That distance matters to learning and not to rivalry is assumed.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from nashgrid.solver import Profile, parameter

from ._largest import largest
from .open_sourcing_oligopoly import OneOwner, combined_ideas, divisor

_ON_A_LINE = ((0.5,), (0.0,), (1.0 / 3.0,), (2.0 / 3.0,), (1.0,))


class OpenSourcingInSpace(OneOwner):
    """The research stage at a given openness when firms have positions in a space of technologies.

    Firms "owner", "outsider 1", ..., as many as there are positions, the owner's first; strategy "research". See the
    module for payoffs, and `OneOwner` for the bounds. An element of the positions is an axis of a sweep, or what a
    `Leader` chooses: "positions[0,0]" is the owner's first coordinate.

    >>> near, far = (OpenSourcingInSpace(positions=((z,), (0.0,), (1.0,)), openness=1.0) for z in (0.5, 3.0))
    >>> [round(float(research_in_space(g).sum()), 3) for g in (near, far)]
    [0.626, 0.609]
    """

    positions: Float[Array, "firm axis"] = parameter(_ON_A_LINE, "z: place in the space of technologies, by firm")
    decay: Float[Array, ""] = parameter(2.0, "phi >= 0: how fast spillovers fall, per unit of distance")
    decay_power: Float[Array, ""] = parameter(1.0, "p > 0: form of the decay, 1 exponential, 2 Gaussian")
    local_access: Float[Array, ""] = parameter(0.0, "w in [0, 1]: part of an open model's access lost with distance")

    @property
    def outsiders(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.positions.shape[-2] - 1

    def proximity(self) -> Float[Array, "firm firm"]:
        """kappa_jk."""
        return proximity(self.positions, self.decay, self.decay_power)

    def access(self) -> Float[Array, " firm"]:
        """psi by firm: 1 for the owner."""
        gained = self.openness * (1.0 - self.local_access * (1.0 - self.proximity()[0, 1:]))
        outside = self.closed_access + (1.0 - self.closed_access) * gained
        return jnp.concatenate([jnp.ones_like(outside[:1]), outside])

    def spillovers(self, research: Float[Array, " firm"]) -> Float[Array, " firm"]:
        """T_j less own research and what outsiders lag behind."""
        kappa, others, theta = self.proximity(), research[1:], self.openness
        near = kappa[0, 1:]
        back = self.spill_back * theta * combined_ideas(near * others, self.idea_substitution)
        sideways = self.spill_side * theta * jnp.sum(self._between(kappa) * others[None, :], axis=1)
        return jnp.concatenate([back[None], self.spill_out * theta * near * research[0] + sideways])

    def most_spillovers(self) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        """beta theta n^(1/rho - 1) sum_i kappa_0i, beta_o theta max_i kappa_0i, beta_s theta max_i sum_k kappa_ik."""
        kappa, theta = self.proximity(), self.openness
        near = kappa[0, 1:]
        back = self.spill_back * theta * jnp.power(self.outsiders, 1.0 / self.idea_substitution - 1.0) * jnp.sum(near)
        side = largest(jnp.sum(self._between(kappa), axis=1))
        return back, self.spill_out * theta * largest(near), self.spill_side * theta * side

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """As in `OpenSourcing`, and by firm the distance and the proximity to the owner and what spills over from
        others, quality units; the mean of that over firms."""
        learned = self.spillovers(s["research"])
        return self.common_outcomes(s) | {
            "distance": distances(self.positions)[0],
            "proximity": self.proximity()[0],
            "spillover": learned,
            "mean_spillover": jnp.mean(learned),
        }

    def _between(self, kappa: Float[Array, "firm firm"]) -> Float[Array, "outsider outsider"]:
        """kappa between different outsiders."""
        return jnp.where(np.eye(self.outsiders, dtype=bool), 0.0, kappa[1:, 1:])


def distances(positions: Float[Array, "firm axis"]) -> Float[Array, "firm firm"]:
    """|z_j - z_k|, with zero derivatives where two firms are at one place."""
    squared = jnp.sum(jnp.square(positions[:, None, :] - positions[None, :, :]), axis=2)
    apart = squared > 0.0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1.0)), 0.0)


def proximity(
    positions: Float[Array, "firm axis"], decay: Float[Array, ""], power: Float[Array, ""]
) -> Float[Array, "firm firm"]:
    """exp(-(phi |z_j - z_k|)^p), in (0, 1].

    Args:
        positions: z, in any unit of distance.
        decay: phi >= 0, per unit of distance; log(2)/phi is the distance at which half is left (p = 1).
        power: p > 0.

    >>> kappa = proximity(jnp.asarray([[0.0], [1.0]]), jnp.log(2.0), jnp.asarray(1.0))
    >>> [round(float(each), 6) for each in kappa[0]]
    [1.0, 0.5]
    """
    scaled = decay * distances(positions)
    apart = scaled > 0.0
    return jnp.exp(-jnp.where(apart, jnp.power(jnp.where(apart, scaled, 1.0), power), 0.0))


def research_in_space(game: OpenSourcingInSpace) -> Float[Array, " firm"]:
    """Research that satisfies all first-order conditions at rho = 1, whatever `idea_substitution` is, corners included.

    Firms are left out one by one, first who would sell least, until all others sell. NaN where that does not end at a
    solution: one who is left out would sell, or the conditions do not determine a maximum (K_j R_jj^2 >= 1). That no
    firm gains by a distant deviation has to be checked (`nashgrid.solver.solve` does).
    """
    lost = jnp.concatenate([jnp.zeros(1, game.edge.dtype), jnp.broadcast_to(game.lost(), (game.outsiders,))])
    base = game.base_quality - lost
    learning = jnp.eye(len(base), dtype=base.dtype) + jax.jacobian(_linear(game).spillovers)(jnp.zeros_like(base))
    fixed = jax.lax.stop_gradient((game, base, learning))
    number = np.arange(len(base), dtype=np.int32)

    def drop(_, active):
        _, sold, _ = _conditions(*fixed, active)
        worst = number == jnp.argmin(jnp.where(active, sold, jnp.inf)).astype(np.int32)
        return active & ~(worst & (sold <= 0.0))

    active = jax.lax.fori_loop(0, len(base) - 1, drop, jnp.ones(len(base), bool))
    research, sold, concave = _conditions(game, base, learning, active)
    quality, m, d = base + learning @ research, game.shares(), game.competition
    enters = ~active & (quality > d * jnp.sum(m * sold))
    fine = jnp.all(jnp.where(active, (sold > 0.0) & concave, ~enters))
    return jnp.where(fine, research, jnp.nan)


def gains_in_space(game: OpenSourcingInSpace) -> Float[Array, " firm"]:
    """What full openness adds to each firm's payoff, with `research_in_space` at both ends.

    >>> game = OpenSourcingInSpace(positions=((0.0,), (0.0,), (1.0,)), competition=0.0)
    >>> [round(float(each), 3) for each in gains_in_space(game)]  # the far outsider learns less
    [-0.012, 0.027, 0.021]
    """
    ends = [_at(game, theta) for theta in (0.0, 1.0)]
    closed, opened = (_linear(end).payoff({"research": research_in_space(end)}) for end in ends)
    return opened - closed


def linear_gain_in_space(game: OpenSourcingInSpace) -> Float[Array, ""]:
    """What the owner gains by opening where research is dear, d = 0 and rho = 1.

    (1 - s)(B s k - L) - F - K/2 with L = V1 e, B = beta delta^2 V^2/gamma, V = alpha/2, and k the mean of kappa_0i
    psi_i over outsiders, psi_i that of the open model: `gain_from_opening` with proximity. As there, the gain is
    largest at s = 1/2 + L/(2 B k), so that remote owners open at a larger size if at all. Payoffs differ from this by
    terms in 1/gamma^2.
    """
    opened, s = _at(game, 1.0), game.owner_share
    near = jnp.mean(opened.proximity()[0, 1:] * opened.access()[1:])
    value = game.spill_back * jnp.square(game.discount * game.base_quality / 2.0) / game.research_cost
    per_application = value * s * near - game.licence_value * game.edge
    return (1.0 - s) * per_application - game.opening_cost - game.openness_curvature / 2.0


def _conditions(
    game: OpenSourcingInSpace,
    base: Float[Array, " firm"],
    learning: Float[Array, "firm firm"],
    active: Bool[Array, " firm"],
) -> tuple[Float[Array, " firm"], Float[Array, " firm"], Bool[Array, " firm"]]:
    """Research and quantities if the active firms are those that sell, and whether each payoff is concave."""
    m, d = game.shares(), game.competition
    own = jnp.where(active, 1.0 / divisor(m, d), 0.0)
    crowd = d / (1.0 + d * jnp.sum(m * own))
    response = jnp.diag(own) - crowd * own[:, None] * (m * own)[None, :]
    slope = response @ learning
    reaction = jnp.maximum(jnp.diagonal(slope), 0.0)
    benefit = 2.0 * game.discount * game.access() * m * (1.0 - d + d * m) * reaction / game.research_cost
    matrix = jnp.eye(len(m), dtype=m.dtype) - benefit[:, None] * slope
    research = jnp.linalg.solve(matrix, benefit * (response @ base))
    return research, response @ base + slope @ research, benefit * reaction < 1.0


def _linear(game: OpenSourcingInSpace) -> OpenSourcingInSpace:
    return eqx.tree_at(lambda g: g.idea_substitution, game, jnp.ones_like(game.idea_substitution))


def _at(game: OpenSourcingInSpace, openness: float) -> OpenSourcingInSpace:
    return eqx.tree_at(lambda g: g.openness, game, jnp.full_like(game.openness, openness))
