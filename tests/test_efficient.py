"""The efficient points of a sweep are those that brute force leaves."""

from typing import Literal

import numpy as np
import pytest
import xarray as xr

from nashgrid.solver import GameError, Status, efficient

AIMS: dict[str, Literal["high", "low"]] = {"welfare": "high", "gini": "low", "outlay": "low"}


def test_they_are_those_of_brute_force():
    rng = np.random.default_rng(1)
    # Coarse, so that there are ties and equal points.
    values = {name: (("x", "y"), rng.integers(0, 6, (12, 10)).astype(float)) for name in AIMS}
    status = np.where(rng.uniform(size=(12, 10)) < 0.1, int(Status.cycling), int(Status.successful))
    data = xr.Dataset(values).assign(status=(("x", "y"), status))
    data["gini"][0, 0] = np.nan
    found = efficient(data, AIMS)
    assert found.dims == ("x", "y") and not found[0, 0] and not found.values[status != int(Status.successful)].any()
    better = np.stack([data["welfare"], -data["gini"], -data["outlay"]], axis=-1)
    fine = np.isfinite(better).all(axis=-1) & (status == int(Status.successful))
    rows = better[fine]
    dominated = [((rows >= row).all(axis=1) & (rows > row).any(axis=1)).any() for row in rows]
    np.testing.assert_array_equal(found.values[fine], ~np.array(dominated))
    assert 0 < found.sum() < 60


@pytest.mark.parametrize(
    ("aims", "message"),
    [
        ({"wealth": "high"}, "no 'wealth' in these data; there is welfare, usage"),
        ({"welfare": "up"}, '"high" or "low", not \'up\''),
        ({}, "at least one"),
        ({"welfare": "high", "usage": "low"}, "'usage' has other dimensions"),
    ],
)
def test_what_cannot_be_compared_is_refused(aims, message):
    data = xr.Dataset({"welfare": ("x", [1.0]), "usage": (("x", "group"), [[1.0, 2.0]])})
    with pytest.raises(GameError, match=message):
        efficient(data, aims)
