"""Openness chosen at the same time as research, in the models in which owner and outsiders compete afterwards.

`OpenSourcing` and `OpenSourcingInSpace` are research stages at a given openness; under a `Leader` (`commitment`) the
owner chooses it first and counts on the answer of outsiders. Here it does not: research of others is given, as in
`SimultaneousOpenSourcing`, which this is with linear value. There an owner who commits opens more, as outside research
answers to openness. Under competition outside research also strengthens rivals, and commitment can open less, even not
at all. The two concepts are different games, and a result holds for the one that it names.

The owner's profit is convex in its technology, and so can be its payoff in openness: equilibria at 0 or 1, or both of
them (`nashgrid.solver.equilibria`), or with little curvature K none inside.
"""

import equinox as eqx
from jaxtyping import Array, ArrayLike, Float

from nashgrid.solver import Game, Profile

from .open_sourcing import LinearValueOpenSourcing
from .open_sourcing_oligopoly import OneOwner, OpenSourcing


class OpennessAtOnce(Game):
    """The owner chooses openness in [0, 1] and research at once, outsiders research.

    Firms, payoffs and outcomes of the model; strategies "research" by firm and "openness", of shape (1,), the owner's.

    Args:
        model: `OpenSourcing` by default; its own `openness` plays no part.

    >>> stage = OpenSourcing(owner_share=0.5, edge=0.02, openness_curvature=0.1, opening_cost=0.0, outsiders=2)
    >>> game = OpennessAtOnce(stage)
    >>> list(game.bounds())
    ['research', 'openness']

    `solve(game).strategy["openness"]` is then 0.1887, and under `commitment` 0.29.
    """

    model: OneOwner | LinearValueOpenSourcing = eqx.field(default_factory=OpenSourcing)

    @property
    def firms(self) -> tuple[str, ...]:
        return self.model.firms

    def owners(self) -> dict[str, tuple[int, ...]]:
        return {"openness": (0,)}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {**self.model.dims(), "openness": ("model",)}

    def bounds(self) -> dict[str, tuple[ArrayLike, ArrayLike]]:
        """Of research those of an open model, which are the widest."""
        return {**self._at(1.0).bounds(), "openness": (0.0, 1.0)}

    def payoff(self, s: Profile) -> Float[Array, " firm"]:
        return self._at(s["openness"][0]).payoff({"research": s["research"]})

    def outcomes(self, s: Profile) -> dict[str, Array]:
        """Those of the model."""
        return self._at(s["openness"][0]).outcomes({"research": s["research"]})

    def _at(self, openness: Float[Array, ""] | float) -> OneOwner | LinearValueOpenSourcing:
        given = self.model.openness
        return eqx.tree_at(lambda model: model.openness, self.model, 0.0 * given + openness)
