"""Operations that a kernel executes are those of its function, and the roof is drawn with them."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmarks import _counted, _peaks, _tasks, roofline
from benchmarks._counted import counting, operations
from benchmarks._deadline import Deadline
from benchmarks._roofline_figure import place
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from nashgrid.games import linear_cournot_equilibrium
from nashgrid.solver import Newton, Status, _kernel_parts
from nashgrid.solver._kernel import Kernel


def test_instructions_are_counted_by_what_they_compute():
    known = {
        "%v1 = fadd contract <8 x double> %v2, %v3": (8, 0),
        "%v1 = fdiv <16 x float> %v2, %v3": (16, 16),
        "%v1 = call <8 x double> @llvm.sqrt.v8f64(<8 x double> %v2)": (8, 8),
        "%v1 = call <8 x double> @llvm.fma.v8f64(<8 x double> %v2, <8 x double> %v2, <8 x double> %v2)": (16, 0),
        "%v1 = call nsz <8 x double> @llvm.sqrt.v8f64(<8 x double> %v2)": (8, 8),
        "%v1 = call double @pow(double %v2, double %v3)": (1, 0),
        "%v1 = fmul double %v2, %v3": (1, 0),
        "%v1 = fneg <8 x double> %v2": (0, 0),
        "%v1 = call <8 x double> @llvm.fabs.v8f64(<8 x double> %v2)": (0, 0),
        "%v1 = fcmp olt <8 x double> %v2, %v3": (0, 0),
        "%v1 = add <8 x i64> %v2, %v3": (0, 0),
        "%v1 = select <8 x i1> %v4, <8 x double> %v2, <8 x double> %v3": (0, 0),
        "store <8 x double> %v1, ptr %v2": (0, 0),
    }
    assert {text: operations(text) for text in known} == known


def test_loops_are_counted_as_often_as_they_turn():
    def powers(_, row):
        return jax.lax.while_loop(lambda s: s[1] < row[0], lambda s: (s[0] * row[1], s[1] + 1.0), (row[1], 0.0))[0]

    with counting() as counter:
        made = Kernel(powers, (), jax.ShapeDtypeStruct((2,), jnp.dtype(float)), 10_000)
        rows = np.tile([5.0, 2.0], (32, 1))
        np.testing.assert_array_equal(made.run((), rows), 64.0)
        assert counter.total() == (32 * 5 * 2, 0)
        # All wait for the slowest one.
        rows[0, 0] = 10.0
        made.run((), rows[:8])
        assert counter.total().every == 32 * 5 * 2 + made.lanes * 10 * 2


def test_programs_that_are_called_at_several_places_are_counted_at_each(monkeypatch):
    @jax.jit
    def sixth(x):
        return (x * x) * (x * x) * (x * x)

    def written_once():
        with counting() as counter:
            made = Kernel(
                lambda _, x: sixth(x[0]) + sixth(x[1]), (), jax.ShapeDtypeStruct((2,), jnp.dtype(float)), 10_000
            )
            np.testing.assert_array_equal(made.run((), np.tile([1.0, 2.0], (32, 1))), 65.0)
        return counter.total()

    texts, of_text = [], _counted.instrumented
    monkeypatch.setattr(_counted, "instrumented", lambda text: texts.append(text) or of_text(text))
    everywhere = written_once()
    monkeypatch.setattr(_kernel_parts, "_LONG", 3)
    assert written_once() == everywhere and everywhere.every >= 32 * 7
    assert ["define internal" in text for text in texts] == [False, True]


def test_what_is_in_no_block_is_not_left_out_in_silence():
    with pytest.raises(ValueError, match="would not be counted: %x = fadd double %a, %b"):
        _counted.instrumented(
            "define double @sum(double %a, double %b) {\n  %x = fadd double %a, %b\n  ret double %x\n}"
        )


def test_the_record_of_a_game_and_its_figure(monkeypatch, tmp_path):
    monkeypatch.setattr(_tasks, "METHODS", {"newton": (Newton(), None)})
    monkeypatch.setattr(roofline, "QUICK_GAMES", ("linear_cournot_2",))
    monkeypatch.setattr(roofline, "POINTS", 2048)
    monkeypatch.setattr(_peaks, "_COPIED", 2**20)
    record = roofline.run(tmp_path, quick=True, say=lambda _: None)
    json.dumps(record, allow_nan=False)
    (row,) = record["rows"]
    # Two firms, two steps and a look at the end: some hundred operations.
    assert 50 < row["flop"] < 1000 and row["steps"] == 2.0 and 0 < row["quotients"] < 20
    assert row["bytes"] == 8 * (4 + 2) + 4 + 4 + 1  # Parameters, quantities, status, steps, and whether it is left.
    peak = record["peak"]
    assert 0 < row["flop_per_s"] < peak["flop_per_s"] and row["bound_by"] in row["bounds_s"]
    assert 0 <= row["residual_max"] <= 1e-14 and row["share_accepted"] == 1.0
    assert row["seconds"] <= row["seconds_median"] and 0 < row["share"] < 1
    for name in ("flop_per_s", "quotients_per_s", "bytes_per_s"):
        assert peak["slowest_tenth"][name] <= peak["median"][name] <= peak[name]
    assert peak["measurements"] == 2 * _peaks.ROUND
    # Taken from the text: a series of fourteen terms, and what leads to it.
    assert record["parameters"]["flop_of"] == {"quotient": 1, "square root": 1, "exp": 35, "log": 37, "x**y": 74}
    table = roofline.table(record)
    assert record["parameters"]["flop"].startswith("counted in the running kernel;")
    assert "linear_cournot_2" in table and "points a second of a core" in table and "accepted 100.00%" in table
    assert (tmp_path / "roofline.png").stat().st_size > 10_000


def test_speed_is_not_said_without_what_the_points_are_worth():
    given = _tasks.task("linear_cournot_2", "newton")
    points = given.points(64)
    right = np.stack([linear_cournot_equilibrium(p[0], p[1], p[2:]) for p in jnp.asarray(points)])
    status = np.full(64, Status.first_order)
    found = roofline.solved(given, points, {"quantity": right, "status": status})
    assert found["residual_max"] is not None and found["residual_max"] <= 1e-14 and found["share_accepted"] == 1.0
    right[5, 1], status[5] = np.nan, Status.max_steps
    found = roofline.solved(given, points, {"quantity": right, "status": status})
    assert found == {"residual_max": None, "share_accepted": 63 / 64}
    row = dict.fromkeys(roofline.NUMBERS, 1.0) | {"game": "a", "method": "b", "note": None, "bytes": 8} | found
    assert roofline.line(row).endswith("residual infinite, accepted 98.44%")


def test_a_point_is_bound_by_what_takes_longest():
    peak = {"flop_per_s": 100.0, "quotients_per_s": 10.0, "bytes_per_s": 1.0}
    row = {"flop": 1000.0, "quotients": 50.0, "bytes": 2.0, "seconds": 20.0, "note": None}
    found = roofline.judged(row, peak)
    assert found["bounds_s"] == {"arithmetic": 10.0, "quotients": 5.0, "memory": 2.0}
    assert found["bound_by"] == "arithmetic" and found["share"] == 0.5 and found["flop_per_s"] == 50.0
    assert found["points_per_s"] == 0.05 and found["points_per_s_at_most"] == 0.1 and found["transfer_s"] is None
    assert roofline.judged(row | {"bytes": 15.0}, peak)["bound_by"] == "memory"
    # On an accelerator what passes to and from the host is said beside it.
    assert roofline.judged(row, peak | {"bytes_in_per_s": 0.2, "bytes_out_per_s": 0.1})["transfer_s"] == 10.0


def test_what_there_is_no_time_for_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(roofline, "Peaks", FewPeaks)
    record = roofline.run(tmp_path, quick=True, say=lambda _: None, deadline=Deadline(0.0))
    assert {row["note"] for row in record["rows"]} == {"skipped: the time was up"}
    assert all(row[name] is None for row in record["rows"] for name in roofline.NUMBERS)


class FewPeaks(_peaks.Peaks):
    """Peaks that take no time."""

    def __init__(self):
        self._work, self.rates = {}, {name: [2.0, 1.0] for name in ("flop_per_s", "quotients_per_s", "bytes_per_s")}


def test_labels_do_not_cover_each_other():
    rng = np.random.default_rng(0)
    figure = Figure(figsize=(6.0, 4.0))
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    ax.set(xscale="log", yscale="log", xlim=(1.0, 1e3), ylim=(1.0, 1e2))
    # Sixteen points, all close to each other.
    points = [(30.0 * f, 10.0 * g, str(k), "0") for k, (f, g) in enumerate(rng.uniform(1.0, 1.5, (16, 2)))]
    place(points, ax=ax)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in ax.texts]
    shared = [(a, b) for a, b in itertools.combinations(boxes, 2) if Bbox.intersection(a, b) is not None]
    assert len(boxes) == 16 and not shared
