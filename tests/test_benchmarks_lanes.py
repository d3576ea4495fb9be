"""Few hard points among many easy ones: the measurement, and when the first pass over them stops."""

import json

import numpy as np
import pytest
from benchmarks import lanes
from benchmarks._deadline import Deadline

from nashgrid.solver import BestResponse, Newton, Status, sweep
from nashgrid.solver import _retry as retry_module
from nashgrid.solver._retry import best_first


def test_hard_points_are_as_many_as_asked_for_and_the_rest_is_the_same():
    none, some = lanes.points(1000, 0.0), lanes.points(1000, 0.01)
    assert int(some[:, 0].sum()) == 10 and not none[:, 0].any()
    np.testing.assert_array_equal(none[:, 1:], some[:, 1:])


def test_the_record_has_hard_points_that_take_a_hundred_steps(monkeypatch, tmp_path):
    monkeypatch.setattr(lanes, "METHODS", {"newton": (Newton(), None, 8)})
    monkeypatch.setattr(lanes, "QUICK_POINTS", 2000)
    record = lanes.run(tmp_path, quick=True, say=lambda _: None)
    json.dumps(record, allow_nan=False)
    none, *_, every = record["rows"]
    assert [row["share"] for row in record["rows"]] == list(lanes.SHARES)
    assert none["relative"] == 1.0 and none["steps_easy"] < 8 and none["program"] == "kernel"
    assert 80 < every["steps_hard"] < 130
    for row in record["rows"]:
        assert set(row) == {"method", "share", "note", *lanes.NUMBERS}
        assert row["share_accepted"] == 1.0
        assert row["bound_cost"] <= 1.0 and row["relative"] > 0
    assert every["bound_cost"] == pytest.approx(every["relative"])
    assert "goal 15%" in lanes.table(record)


def test_what_there_is_no_time_for_says_so(tmp_path):
    record = lanes.run(tmp_path, quick=True, say=lambda _: None, deadline=Deadline(0.0))
    assert len(record["rows"]) == len(lanes.METHODS) * len(lanes.SHARES)
    for row in record["rows"]:
        assert row["note"] == "skipped: the time was up" and all(row[name] is None for name in lanes.NUMBERS)
    assert lanes.table(record).count("the time was up") == len(record["rows"])


def test_the_first_pass_stops_where_that_costs_least():
    easy = np.full(8000, 4)
    assert best_first(easy, 256, 8) == 6
    few = np.where(np.arange(8000) % 100 == 50, 100, easy)
    assert best_first(few, 256, 8) == 6
    # Each would only begin anew.
    assert best_first(np.full(8000, 40), 256, 8) == 48
    assert best_first(np.full(8000, 200), 256, 8) == 256
    assert best_first(np.array([30]), 20, 8) == 20


@pytest.mark.parametrize("certify", [False, True])
def test_what_is_found_does_not_depend_on_when_the_first_pass_stops(monkeypatch, certify):
    axes = {"flat": [0.0, 0.5, 1.0], "size[0]": np.linspace(1.5, 3.0, 64)}
    game = lanes.FlatTops(power=4 if certify else 8)
    method = BestResponse() if certify else Newton()

    def swept(*choices):
        monkeypatch.setattr(retry_module, "_BEGIN", choices[0])
        monkeypatch.setattr(retry_module, "_CHOICES", choices)
        return sweep(game, axes, method=method, certify=certify, tol=1e-8, chunk=64, progress=False)

    short, long = swept(6), swept(512)
    wanted = Status.successful if certify else Status.first_order
    assert (short.status == wanted).all() and int(short.steps.max()) > 80
    for name in short.data_vars:
        np.testing.assert_array_equal(short[name], long[name], name)
