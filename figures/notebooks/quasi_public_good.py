# %% [markdown]
# # A language model as a quasi-public good: closed, open, or planned?
#
# A use of a language model hardly takes anything from another's (non-rivalry), but a developer can exclude users
# (partial excludability), and uses spill over to others (externality). Is access better closed or open? The claims
# are from the abstract of Zhang and Zhang (2025, arXiv 2509.13265); the model, `nashgrid.games.QuasiPublicGood`, is
# our own, one in which the claims can be examined.
#
# The cells of this file (`# %%`) run one after the other, in an editor or by `python
# figures/notebooks/quasi_public_good.py`.

# %%
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from nashgrid.games import QuasiPublicGood, closed_equilibrium, lorenz_curve, open_equilibrium, planned_equilibrium
from nashgrid.solver import Newton, Status, configure, solve, sweep

configure()

# %% [markdown]
# ## The game
#
# Developers invest in quality. Closed: then they compete in access, at a price above cost. Open: users host the
# models themselves at the cost h, ideas are pooled, and developers earn from complements. Three groups of users
# differ in their need. The fields are the parameters; the documentation of the class has the equations.

# %%
game = QuasiPublicGood()
regimes = {"closed": QuasiPublicGood(openness=0.0), "open": QuasiPublicGood(openness=1.0)}
found = {name: solve(each) for name, each in regimes.items()}
for name, answer in found.items():
    assert answer.certificate is not None
    regret = float(answer.certificate.regret)
    print(f"{name}: investment {float(answer.strategy['investment'][0]):.4f}, regret {regret:.0e}")
    for what in ("price", "total_usage", "welfare", "static_loss", "dynamic_loss", "gini", "publicness"):
        print(f"    {what:<14}{float(answer.outcomes[what]):8.4f}")

# %% [markdown]
# With all groups served there are closed forms, and the planner's optimum is known: the first best.

# %%
best = planned_equilibrium(game)
for name, exact in (("closed", closed_equilibrium(game)), ("open", open_equilibrium(game))):
    assert abs(float(found[name].outcomes["welfare"] - exact.welfare)) < 1e-9
print(f"welfare, first best: {float(best.welfare):.4f}")
assert all(answer.outcomes["welfare"] < best.welfare for answer in found.values())

# %% [markdown]
# At these parameters open access has the higher welfare, wider and more equal use, and the *lower* quality: it is
# better by its smaller static loss, in spite of a larger dynamic one. Neither comes near the first best.

# %%
opened, closed = found["open"].outcomes, found["closed"].outcomes
assert (
    opened["welfare"] > closed["welfare"] and opened["gini"] < closed["gini"] and opened["quality"] < closed["quality"]
)
figure = Figure(figsize=(7.0, 3.2), layout="constrained")
left, right = figure.subplots(1, 2)
for name, answer in found.items():
    left.plot(*lorenz_curve(answer.outcomes["usage"], game.mass), marker="o", label=name)
left.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
left.set(xlabel="share of users, by usage", ylabel="share of usage", title="Open access is used more equally")
left.legend(frameon=False)

# %% [markdown]
# ## Where the claims hold, and where they fail
#
# What decides is what it costs users to host an open model, h, and how much developers earn from complements, b.

# %%
axes = {
    "openness": [0.0, 1.0],
    "hosting_cost": np.linspace(0.1, 0.4, 31),
    "complementary_revenue": np.linspace(0.0, 0.5, 31),
}
world = sweep(game, axes, method=Newton(), certify=False, keep=("welfare", "gini"), progress=False)
assert (world["status"] == Status.first_order).all()
change = world.sel(openness=1.0) - world.sel(openness=0.0)
image = right.pcolormesh(
    change["complementary_revenue"], change["hosting_cost"], change["welfare"], cmap="PuOr_r", vmin=-0.4, vmax=0.4
)
right.contour(change["complementary_revenue"], change["hosting_cost"], change["welfare"], [0.0], colors="black")
right.set(xlabel="b: revenue from complements", ylabel="h: cost of hosting", title="Welfare, open less closed")
figure.colorbar(image, ax=right)
figure.savefig(Path("quasi_public_good_notebook.png"), dpi=110)

# %% [markdown]
# "Open is better" fails where hosting is dear; "open is more equal" holds if and only if hosting costs less than
# closed access, at equal quality. Both are properties of the parameters and not of openness.

# %%
share, equal = float((change["welfare"] > 0).mean()), float((change["gini"] < 0).mean())
print(f"open has the higher welfare in {share:.0%} of this map, the lower Gini in {equal:.0%}")
assert 0.1 < share < 0.9
dear = change["welfare"].sel(hosting_cost=0.4, complementary_revenue=0.0)
assert dear < 0 < change["welfare"].sel(hosting_cost=0.1, complementary_revenue=0.5)

# %% [markdown]
# ## Where to go on
#
# `python -m figures claim_atlas` asks the claims at all parameters at once. `nashgrid.games` has delayed release,
# innovation paths, network adoption with several equilibria, compute capacity as a choice, and public policies with
# their cost.
