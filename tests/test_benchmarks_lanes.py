"""Few hard points among many easy ones: the measurement, and when the first pass over them stops."""

import json

import numpy as np
import pytest
from benchmarks import lanes
from benchmarks._deadline import Deadline
from benchmarks._flat import FlatTops
from benchmarks._spirals import Spirals

from nashgrid.solver import BestResponse, Newton, Status, sweep
from nashgrid.solver import _retry as retry_module
from nashgrid.solver._retry import best_first


def test_hard_points_are_as_many_as_asked_for_and_the_rest_is_the_same():
    none, some = lanes.points(1000, 0.0), lanes.points(1000, 0.01)
    assert int(some[:, 0].sum()) == 10 and not none[:, 0].any()
    np.testing.assert_array_equal(none[:, 1:], some[:, 1:])


HARD = {"newton": (10, 20), "best_response_alone": (80, 130)}
"""Steps that hard points take: few where steps can be extrapolated."""


def test_the_record_has_the_steps_of_hard_points(monkeypatch, tmp_path):
    monkeypatch.setattr(lanes, "METHODS", {name: lanes.METHODS[name] for name in HARD})
    monkeypatch.setattr(lanes, "QUICK_POINTS", 2000)
    record = lanes.run(tmp_path, quick=True, say=lambda _: None)
    json.dumps(record, allow_nan=False)
    for name, (fewest, most) in HARD.items():
        none, *rest = rows = [row for row in record["rows"] if row["method"] == name]
        assert [row["share"] for row in rows] == list(lanes.SHARES)
        assert none["relative"] == 1.0 and none["steps_easy"] < 10 and none["program"] == "kernel"
        assert fewest < rest[-1]["steps_hard"] < most
        for row in rows:
            assert set(row) == {"method", "share", "note", *lanes.NUMBERS}
            assert row["share_accepted"] == 1.0
            assert row["bound_cost"] <= 1.0 and row["relative"] > 0
        assert rest[-1]["bound_cost"] == pytest.approx(rest[-1]["relative"])
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


CASES = {
    "newton": (FlatTops(power=8), "flat", Newton(), False),
    "newton certified": (FlatTops(power=8), "flat", Newton(), True),
    "best responses": (Spirals(), "slow", BestResponse(damping=1.0, finish=False), False),
    "best responses certified": (Spirals(), "slow", BestResponse(damping=1.0, finish=False), True),
}
"""Name -> a game, its parameter that makes points hard, a method, and whether deviations are searched for."""


@pytest.mark.parametrize("name", CASES)
def test_what_is_found_does_not_depend_on_when_the_first_pass_stops(monkeypatch, name):
    game, hard, method, certify = CASES[name]
    axes = {hard: [0.0, 0.5, 1.0], "size[0]": np.linspace(1.5, 3.0, 64)}

    def swept(*choices):
        monkeypatch.setattr(retry_module, "_BEGIN", choices[0])
        monkeypatch.setattr(retry_module, "_CHOICES", choices)
        return sweep(game, axes, method=method, certify=certify, tol=1e-8, chunk=64, progress=False)

    short, long = swept(6), swept(512)
    wanted = Status.successful if certify else Status.first_order
    assert (short.status == wanted).all() and int(short.steps.max()) > 80
    for name in short.data_vars:
        np.testing.assert_array_equal(short[name], long[name], name)
