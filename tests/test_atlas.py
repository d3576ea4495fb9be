"""An atlas counts and decomposes statements rightly, says how exact it is, and goes on where it stopped."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import sobol_indices

from nashgrid.solver import GameError, StoreError, atlas

BOX = {"x": (0.0, 1.0), "y": (0.0, 1.0), "z": (5.0, 6.0)}


def by_hand(draws):
    x, y, z = draws.values()
    answers = {"one": y > 0.5, "both": x * y > 0.25, "xor": (x > 0.5) != (y > 0.5), "always": x >= 0.0}
    return {name: np.where(z > 5.9, np.nan, answer) for name, answer in answers.items()}


def test_shares_indices_and_maps_are_those_of_functions_by_hand():
    """y > 1/2 alone: y has the indices 1. x y > 1/4: both matter alike. xor: nothing alone, everything together."""
    data = atlas(by_hand, BOX, draws=160_000, bins=4, progress=False)
    exact = {"one": 0.5, "both": 0.75 - 0.25 * np.log(4.0), "xor": 0.5, "always": 1.0}
    assert data.attrs["draws"] >= 160_000
    for name, share in exact.items():
        found = data.sel(claim=name)
        assert abs(found["share"] - share) <= 4.0 * found["share_error"] and found["share_error"] < 2e-3
        assert found["share_low"] <= found["share"] <= found["share_high"]
    np.testing.assert_allclose(data["admissible"], 0.9, atol=2e-3)
    total, first = data["total_order"], data["first_order"]
    assert np.isnan(total.sel(claim="always")).all()
    np.testing.assert_allclose(total.sel(claim="one"), [0.0, 1.0, 0.0], atol=0.02)
    np.testing.assert_allclose(total.sel(claim="xor"), [1.0, 1.0, 0.0], atol=0.02)
    np.testing.assert_allclose(first.sel(claim="xor"), [0.0, 0.0, 0.0], atol=0.02)
    apart = total.sel(claim="both", parameter="x") - total.sel(claim="both", parameter="y")
    assert abs(apart) < 4.0 * np.hypot(*data["total_order_error"].sel(claim="both", parameter=["x", "y"]))
    assert data["decisive"].sel(claim="one").values[0] == "y" and set(data["decisive"].sel(claim="xor").values) == {
        "x",
        "y",
    }
    one, xor = data.sel(claim="one"), data.sel(claim="xor")
    by_y = one["map"].values.mean(axis=1)
    np.testing.assert_allclose(by_y, [0.0, 0.0, 1.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(xor["map"], np.kron([[0, 1], [1, 0]], np.ones((2, 2))), atol=1e-12)
    assert int(one["map_draws"].sum()) == pytest.approx(0.9 * data.attrs["draws"], rel=0.01)
    np.testing.assert_allclose(data["edge"].sel(parameter="z"), [5.0, 5.25, 5.5, 5.75, 6.0])


def test_indices_are_those_of_scipy():
    seen = []

    def judge(draws):
        seen.append(draws["x"] * draws["y"] + 0.3 * (draws["z"] - 5.0) > 0.4)
        return {"it": seen[-1]}

    data = atlas(judge, BOX, draws=1, block=32, progress=False)
    every = np.stack(seen).reshape(-1, 5, 32).transpose(1, 0, 2).reshape(5, -1).astype(float)
    part = {"f_A": every[:1], "f_B": every[1:2], "f_AB": every[2:, None, :]}
    other = sobol_indices(func=part, n=every.shape[1])
    np.testing.assert_allclose(data["first_order"].values[0], other.first_order, atol=1e-12)
    np.testing.assert_allclose(data["total_order"].values[0], other.total_order, atol=1e-12)


def test_intervals_hold_what_they_promise():
    """Of 40 atlases with intervals of 80 % about 32 hold the share; fewer than 24 in one of 500 cases."""

    def judge(draws):
        return {"it": draws["x"] + draws["y"] > 0.7}

    hit = 0
    for seed in range(40):
        found = atlas(judge, BOX, draws=1, block=4, seed=seed, confidence=0.8, progress=False)
        hit += int(found["share_low"][0] <= 1.0 - 0.7**2 / 2.0 <= found["share_high"][0])
    assert 24 <= hit < 40


def test_a_store_goes_on_where_it_stopped_and_is_of_one_atlas_only(tmp_path):
    store, calls = tmp_path / "a.npz", []

    def judge(draws):
        calls.append(len(draws["x"]))
        if len(calls) == 20:
            raise KeyboardInterrupt
        return by_hand(draws)

    with pytest.raises(KeyboardInterrupt):
        atlas(judge, BOX, draws=4000, block=16, store=store, progress=False)
    data = atlas(judge, BOX, draws=4000, store=store, progress=False)
    assert data.attrs["draws"] == 4000 and len(calls) == 54  # 50 blocks, of which 16 were kept and 4 were lost
    xr.testing.assert_identical(data, atlas(by_hand, BOX, draws=4000, block=16, progress=False))
    more = atlas(by_hand, BOX, draws=8000, store=store, progress=False)
    xr.testing.assert_identical(more, atlas(by_hand, BOX, draws=8000, block=16, progress=False))
    with pytest.raises(StoreError, match=r"another atlas(.|\n)*key: new here,  in the store"):
        atlas(by_hand, BOX, draws=1, store=store, key="new", progress=False)
    store.write_bytes(b"nothing")
    with pytest.raises(StoreError, match="damaged"):
        atlas(by_hand, BOX, draws=1, store=store, progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranges": {"x": (0.0, 1.0)}}, "at least two parameters"),
        ({"ranges": {"x": (0.0, 1.0), "y": (1.0, 0.0)}}, "range of 'y' must be finite and in order"),
        ({"block": 12}, "block is 12; give a power of 2"),
        ({"confidence": 1.0}, "confidence between 0 and 1"),
        ({"judge": lambda d: {}}, "at least one statement"),
        ({"judge": lambda d: {"it": 1.0}}, "one answer for each draw"),
        ({"judge": lambda d: {"it": d["x"]}}, "must be 1"),
    ],
)
def test_what_cannot_be_used_is_refused(change, message):
    given = {"judge": by_hand, "ranges": BOX, "progress": False} | change
    with pytest.raises(GameError, match=message):
        atlas(given.pop("judge"), given.pop("ranges"), **given)
