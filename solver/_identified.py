"""What moments say about parameters: standard errors by the delta method, and directions about which they say nothing.

With G the derivative of the moments in the parameters and S the covariance of the moments, minimum distance with the
weights W = S^-1 has the covariance (G' S^-1 G)^-1 (Wooldridge 2010, Econometric Analysis of Cross Section and Panel
Data, section 14.5). Parameters are not identified, locally, along the null space of G (Rothenberg 1971, Econometrica
39(3)): there they can change together without any moment noticing.
"""

import numpy as np
from jaxtyping import Float

_FLAT = 1e-7
_PART = 1e-4


def flat_directions(
    slopes: Float[np.ndarray, "moment parameter"], units: Float[np.ndarray, " parameter"]
) -> Float[np.ndarray, "direction parameter"]:
    """Unit vectors, in `units` of the parameters, along which no moment changes to first order.

    Args:
        slopes: derivatives of the moments, each in units of its error.
        units: what counts as a change of each parameter.
    """
    scaled = slopes * units
    _, sizes, rows = np.linalg.svd(scaled, full_matrices=True)
    sizes = np.pad(sizes, (0, rows.shape[0] - len(sizes)))
    flat = rows[sizes <= _FLAT * max(float(sizes.max(initial=0.0)), np.finfo(float).tiny)]
    # The largest part is positive, so that a direction reads the same every time.
    largest = np.abs(flat).argmax(axis=1, keepdims=True)
    return flat * np.sign(np.take_along_axis(flat, largest, axis=1))


def covariance(
    slopes: Float[np.ndarray, "moment parameter"],
    units: Float[np.ndarray, " parameter"],
    flat: Float[np.ndarray, "direction parameter"],
) -> Float[np.ndarray, "parameter parameter"]:
    """The covariance of the parameters; infinite for those that a flat direction changes.

    Args:
        slopes, units: as in `flat_directions`.
        flat: what it returned.
    """
    inverse = np.linalg.pinv(slopes * units, rcond=_FLAT)
    found = inverse @ inverse.T * units[:, None] * units[None, :]
    lost = (np.abs(flat) > _PART).any(axis=0)
    found[lost, :] = found[:, lost] = np.nan
    found[lost, lost] = np.inf
    return found


def described(
    direction: Float[np.ndarray, " parameter"], names: list[str], units: Float[np.ndarray, " parameter"]
) -> str:
    """A flat direction in words: parameters and how they change together, the largest change first.

    >>> described(np.array([0.6, 0.0, -0.8]), ["a", "b", "c"], np.ones(3))
    'c -0.8, a +0.6'
    """
    order = [k for k in np.argsort(-np.abs(direction), kind="stable") if abs(direction[k]) > _PART]
    return ", ".join(f"{names[k]} {direction[k] * units[k]:+.3g}" for k in order)
