"""Claims about open models, each as a question to equilibria, and the parameters over which it is asked.

Claims of the abstracts of other papers, put into the terms of games which are formalizations of our own: the papers are
known to us by their abstracts, nothing of them is replicated, and where a game lacks what a paper's result rests on,
the claim says so. And a few questions besides. A claim is true or false at a draw of parameters; what share of the
admissible draws it holds for says how robust it is in the model, not how likely it is in the world, and depends on the
ranges. What is built into a model holds nearly everywhere because it was put there.

| set | solved | claims of |
|---|---|---|
| `OPEN_SOURCING` | `OpenSourcing` | Habibi (2025) |
| `QUASI_PUBLIC_GOOD` | `QuasiPublicGood` | Zhang and Zhang (2025); Xu, Wang, Chen and Xie (2025) |
| `OWNERS` | `ManyOwnersOpenSourcing` | Llanes (2019); Mladenovic, Courville and Gidel (2026) |
| `MIXED_OPENNESS` | `MixedOpenness` | Llanes and de Elejalde (2013) |
| `PUBLIC_FIRM` | `MixedCournot`, `MixedBertrand` | Haraguchi and Matsumura (2016) |

What these papers claim and none of our games can be asked: that openness is not monotone in a data flywheel, and that
vertical integration helps if it is strong (Xu et al.: no downstream deployer whose fine-tuning gets cheaper with use);
that compatibility makes firms less open (Llanes: no choice of compatibility); that deciding whether a pure equilibrium
exists is NP-hard (Mladenovic et al.: no statement about an equilibrium); the choice between prices and quantities
(Haraguchi and Matsumura).
"""

import os

import xarray as xr

from nashgrid.solver import atlas

from ._claim import Claim as Claim
from ._claim import ClaimSet as ClaimSet
from ._claim import Draws as Draws
from ._claim import Values as Values
from ._claim import certified as certified
from ._claims_access import access_points as access_points
from ._claims_mixed import MIXED_OPENNESS as MIXED_OPENNESS
from ._claims_open_sourcing import OPEN_SOURCING as OPEN_SOURCING
from ._claims_open_sourcing import single_peak as single_peak
from ._claims_owners import OWNERS as OWNERS
from ._claims_public_firm import PUBLIC_FIRM as PUBLIC_FIRM
from ._claims_quasi_public import QUASI_PUBLIC_GOOD as QUASI_PUBLIC_GOOD

CLAIM_SETS: tuple[ClaimSet, ...] = (OPEN_SOURCING, QUASI_PUBLIC_GOOD, OWNERS, MIXED_OPENNESS, PUBLIC_FIRM)


def claim_atlas(
    claims: ClaimSet,
    *,
    draws: int = 1_000_000,
    store: str | os.PathLike[str] | None = None,
    bins: int = 12,
    block: int | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool | None = None,
) -> xr.Dataset:
    """How much of the parameter space each claim holds in, what decides it, and where; see `nashgrid.solver.atlas`.

    All equilibria are solved and certified by `nashgrid.solver.at_points`, on all devices; draws without one are left
    out. Memory does not grow with `draws`.

    Args:
        claims: a set, ours or your own.
        draws: how many draws of all parameters.
        store: a file with the counts, by convention ".npz": after a crash, or for more draws, it goes on there. It is
            refused if the claims, the ranges or what the models compute have changed since; comments may change.
        bins, block, confidence, seed, progress: as in `nashgrid.solver.atlas`.

    Returns:
        the Dataset of `nashgrid.solver.atlas`, with the statement, the source, the standing and the reason of each
        claim.

    >>> import dataclasses
    >>> few = dataclasses.replace(PUBLIC_FIRM, claims=PUBLIC_FIRM.claims[:2])  # or ranges, or values of your own
    >>> [claim.statement for claim in few.claims][0]
    'with one private firm welfare is higher in price competition'

    Then `claim_atlas(few, draws=1_000_000, store="atlas.npz")`.
    """
    data = atlas(
        claims.judge,
        claims.ranges,
        draws=draws,
        bins=bins,
        block=block,
        confidence=confidence,
        seed=seed,
        store=store,
        key=claims.key(),
        progress=progress,
    )
    about = {name: ("claim", [getattr(claim, name) for claim in claims.claims]) for name in _ABOUT}
    return data.assign(about).assign_attrs(set=claims.name, model=claims.model)


_ABOUT = ("statement", "source", "standing", "because")
