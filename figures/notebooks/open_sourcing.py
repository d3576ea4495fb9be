# %% [markdown]
# # Why would the owner of a language model open it?
#
# An owner holds a share s of the applications of a language model, and n outsiders hold the rest. The owner's model
# has an edge e over what is public, for which outsiders pay licences. If the owner opens it, licences are lost; but
# outsiders do more research on an open model, and some of that comes back to the owner. When does the owner open?
#
# The claims are from the abstract of Habibi (2025, arXiv 2501.11581). The model is our own: it is a model in which
# the claims can be examined, and says nothing about how that paper gets to them. The cells of this file (`# %%`) run
# one after the other, in an editor or by `python figures/notebooks/open_sourcing.py`.

# %%
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from nashgrid.games import LinearValueOpenSourcing, gain_from_opening, opening_interval
from nashgrid.solver import Game, Leader, Newton, Profile, Status, configure, parameter, regime_map, solve, sweep

configure()

# %% [markdown]
# ## The game, in code
#
# Research x costs gamma x^2/2 for the owner, and more for an outsider while the model is closed: gamma x^2/(2 psi),
# psi = psi0 + (1 - psi0) theta, with openness theta. Second-period profit is V times the quality of a firm's
# applications. A game is its parameters, who plays, what can be chosen, and what everybody gets for it.


# %%
class OpenModel(Game):
    """Owner and two outsiders do research, at a given openness."""

    owner_share: Float[Array, ""] = parameter(0.4, "s: share of applications that the owner holds")
    edge: Float[Array, ""] = parameter(0.1, "e: performance edge over rival models")
    openness: Float[Array, ""] = parameter(0.0, "theta: 0 closed, 1 open")
    spill_back: Float[Array, ""] = parameter(0.6, "beta: use the owner makes of outside research")
    closed_access: Float[Array, ""] = parameter(0.5, "psi0: cheapness of outside research on a closed model")
    firms = ("owner", "outsider 1", "outsider 2")

    def bounds(self):
        return {"research": (0.0, 2.0)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        x, theta, outside = s["research"], self.openness, 1.0 - self.owner_share
        share = jnp.stack([self.owner_share, outside / 2.0, outside / 2.0])
        psi = self.closed_access + (1.0 - self.closed_access) * theta
        quality = x + jnp.array([1.0, 0.0, 0.0]) * self.spill_back * theta * (x[1] + x[2])
        cost = jnp.square(x) / (2.0 * jnp.stack([jnp.ones_like(psi), psi, psi]))
        licences = (1.0 - theta) * self.edge * outside
        rest = share * self.edge - licences / 2.0
        first = jnp.stack([licences - 0.03 * theta, rest[1], rest[2]])
        return first + 0.9 * share * quality - cost

    def outcomes(self, s: Profile):
        return {"outside_research": s["research"][1] + s["research"][2]}


# %% [markdown]
# ## One equilibrium, and how we know that it is one
#
# `solve` finds where the first-order conditions hold, and then searches for a better strategy of every firm by other
# code. `residual` and `regret` are what is left of the conditions and of such gains.

# %%
closed, opened = (solve(OpenModel(openness=theta)) for theta in (0.0, 1.0))
print(closed)
print(f"gain from opening: {float(opened.payoff[0] - closed.payoff[0]):+.4f}")
assert closed.certificate is not None and closed.certificate.regret < 1e-10
assert opened.outcomes["outside_research"] > closed.outcomes["outside_research"]

# %% [markdown]
# The model is simple enough for a closed form: the gain is (1 - s)(B s - L) - F, with B = beta delta^2 V^2/gamma and
# the licence value L of the edge. Ours is the same number.

# %%
exact = float(gain_from_opening(LinearValueOpenSourcing(outsiders=2)))
assert abs(float(opened.payoff[0] - closed.payoff[0]) - exact) < 1e-9

# %% [markdown]
# ## What decides: exact derivatives
#
# The equilibrium is differentiable in every parameter. The gain falls in the edge, by the licences on a unit of it.


# %%
def gain(game: OpenModel) -> Float[Array, ""]:
    payoffs = [
        solve(eqx.tree_at(lambda g: g.openness, game, jnp.asarray(theta)), Newton(), certify=False).payoff[0]
        for theta in (1.0, 0.0)
    ]
    return payoffs[0] - payoffs[1]


slope = jax.grad(gain)(OpenModel())
print(f"d gain / d edge = {float(slope.edge):+.3f}, d gain / d spill_back = {float(slope.spill_back):+.3f}")
assert slope.edge < 0.0 < slope.spill_back

# %% [markdown]
# ## The map
#
# The owner commits to open or closed, everybody sees it, and then all do research: sequential play. Every point of
# the map is solved for both choices.

# %%
s, e = np.linspace(0.02, 0.98, 49), np.linspace(0.0, 0.3, 49)
game = Leader(OpenModel(), choose="openness", maximize="owner", choices=(0.0, 1.0))
world = sweep(game, {"owner_share": s, "edge": e}, progress=False)
assert (world["status"] == Status.successful).all()
ax = regime_map(world["openness"], x="owner_share", y="edge", labels={0.0: "closed", 1.0: "open"})
ax.set_title("Owners of middling size with a small edge open")
if figure := ax.get_figure(root=True):
    figure.savefig(Path("open_sourcing_notebook.png"), dpi=110, bbox_inches="tight")

# %% [markdown]
# ## Where the claims hold, and where they fail
#
# * *Inverted U*: at a given edge, owners of middling size open, small and large ones do not. Derived: what comes back
#   is worth s(1 - s) to the owner, as it needs outsiders to do the research, and a share to use it on.
# * *A larger edge closes*: nearly built in, as a closed model earns a rent in proportion to it.
# * *Larger owners open*: only below the peak.
# * *Opening raises research*: because research on a closed model is dearer (psi0 < 1). At psi0 = 1 it does not.

# %%
opens = world["openness"].sel(edge=0.1, method="nearest").values
turns = np.flatnonzero(np.diff(opens))
print(f"at an edge of {float(world['edge'].sel(edge=0.1, method='nearest')):.2f} owners open from s = "
      f"{s[turns[0] + 1]:.2f} to {s[turns[1]]:.2f}")  # fmt: skip
low, high = opening_interval(LinearValueOpenSourcing(outsiders=2, edge=world["edge"].sel(edge=0.1, method="nearest")))
assert len(turns) == 2 and s[turns[0]] < low < s[turns[0] + 1] and s[turns[1]] < high < s[turns[1] + 1]

# The inverted U fails where the edge is large: nobody opens, and the gain only rises in size.
assert not world["openness"].sel(edge=0.3, method="nearest").any()

# With access as cheap on a closed model, opening does not raise outside research.
same = [
    solve(OpenModel(openness=theta, closed_access=1.0), Newton(), certify=False).outcomes["outside_research"]
    for theta in (0.0, 1.0)
]
assert abs(float(same[1] - same[0])) < 1e-12

# %% [markdown]
# ## Where to go on
#
# `nashgrid.games.OpenSourcing` lets owner and outsiders compete in the second period, which lowers the size that is
# most inclined to open and can turn the effect on research round; `python -m figures claim_atlas` asks each claim at
# all parameters at once.
