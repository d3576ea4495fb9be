"""Start-up and growth are measured in processes of their own, with what was found, and what was skipped says so."""

import json
import os

import jax.numpy as jnp
import numpy as np
import pytest
from benchmarks import _growth_measure, growth, startup
from benchmarks._child import Child, child, peak_mib
from benchmarks._deadline import Deadline
from benchmarks._growth_figure import draw
from benchmarks._growth_measure import Answer

SAID = {
    "points": 16,
    "first_s": 2.0,
    "first_cpu_s": 2.0,
    "seconds": [1.0, 1.0, 1.0],
    "cpu_s": [1.0, 1.0, 1.0],
    "steps": 4.0,
    "residual_max": 1e-15,
    "share_successful": 1.0,
    "idle_mib": 200.0,
    "peak_mib": 500.0,
    "device_peak_mib": None,
}


def _growing(monkeypatch, tmp_path, power, *, bytes_needed=0.0, failing=()):
    """A record without processes: what is measured grows with the size to a power."""

    drawn = []

    def pretend(*arguments, limit_s):
        name, size = arguments[2], int(arguments[3])
        if size in failing:
            raise failing[size]
        cost = 1e-3 * size**power
        share = {"steps": 5.0, "points": 1} if growth.SERIES[name].cost == "iteration" else {}
        return Child(SAID | share | {"seconds": [cost] * 3, "cpu_s": [cost] * 3}, cost, cost)

    monkeypatch.setattr(growth, "child", pretend)
    monkeypatch.setattr(growth, "BYTES", {"points_memory": bytes_needed})
    monkeypatch.setattr(growth, "draw", lambda record, file: drawn.append(file))
    record = growth.run(tmp_path, say=lambda line: None)
    assert drawn == [tmp_path / "growth.png"]
    return record


def test_exponents_are_those_of_the_measurements(monkeypatch, tmp_path):
    record = _growing(monkeypatch, tmp_path, 1.5)
    assert json.loads(json.dumps(record, allow_nan=False)) == json.loads(json.dumps(record))
    known = {entry["series"]: entry for entry in record["exponents"]}
    for entry in known.values():
        assert entry["exponent"] == pytest.approx(1.5) and entry["exponent_larger_half"] == pytest.approx(1.5)
    assert known["firms_cournot"]["met"] and not known["aggregative_cournot"]["met"]
    assert known["strategies"]["met"] is None
    assert "aggregative_cournot: time per iteration grows with firms to the power 1.50" in growth.table(record)
    row = next(row for row in record["rows"] if row["series"] == "aggregative_cournot")
    assert row["cost_s"] == pytest.approx(1e-3 * row["size"] ** 1.5 / 5.0)


def test_what_there_is_no_time_for_is_skipped(monkeypatch, tmp_path):
    monkeypatch.setattr(growth, "SERIES", {"axes": growth.SERIES["axes"]})
    monkeypatch.setattr(growth, "child", lambda *arguments, limit_s: pytest.fail("begun"))
    monkeypatch.setattr(growth, "draw", lambda record, file: None)
    record = growth.run(tmp_path, say=lambda line: None, deadline=Deadline(0.0))
    assert {row["note"] for row in record["rows"]} == {"skipped: the time was up"}
    assert record["memory"] == [] and growth.table(record).count("\n") == len(record["rows"]) - 1


def test_residuals_of_a_store_are_read_row_by_row():
    rows = np.array([[1e-12, 1e-15], [2e-12, 0.0]])
    whole = Answer(rows, np.array([[1, 1], [1, 3]]), np.array([[2, 4], [4, 6]]))
    assert _growth_measure.judged(whole) == {"steps": 4.0, "residual_max": 2e-12, "share_successful": 0.75}
    alone = Answer(jnp.asarray(jnp.inf), jnp.asarray(2), jnp.asarray(7))
    assert _growth_measure.judged(alone) == {"steps": 7.0, "residual_max": None, "share_successful": 0.0}


def test_what_would_take_too_long_or_too_much_memory_is_skipped(monkeypatch, tmp_path):
    record = _growing(
        monkeypatch,
        tmp_path,
        1.0,
        bytes_needed=1e15,
        failing={10: ChildProcessError("out of memory"), 30: TimeoutError()},
    )
    notes = {(row["series"], row["size"]): row["note"] for row in record["rows"]}
    assert notes["points_store", 10**4] is None
    assert notes["points_store", 10**5] == "skipped: predicted 100 s for a call"
    assert notes["points_memory", 10**2].startswith("skipped: would need about 9")
    assert notes["firms_logit", 10] == "failed: out of memory"
    assert notes["firms_logit", 30] == "stopped after 600 s"
    skipped = [row for row in record["rows"] if row["note"] is not None]
    assert all(row[name] is None for row in skipped for name in growth.NUMBERS)


@pytest.mark.parametrize(("series", "size"), [("points_store", 12), ("firms_logit", 2), ("aggregative_cournot", 40)])
def test_every_kind_of_measurement_finds_equilibria(monkeypatch, tmp_path, series, size):
    monkeypatch.setattr(_growth_measure, "_together", lambda firms: 3)
    monkeypatch.setattr(_growth_measure.tempfile, "tempdir", str(tmp_path))
    said = _growth_measure.measure(series, size, 0.0)
    assert set(said) == set(SAID)
    assert said["points"] == {"points_store": 12, "firms_logit": 3, "aggregative_cournot": 1}[series]
    assert said["share_successful"] == 1.0 and said["residual_max"] <= 1e-10 and said["steps"] >= 1
    assert len(said["seconds"]) == len(said["cpu_s"]) == 1 and said["first_s"] > said["seconds"][0]
    assert said["peak_mib"] >= said["idle_mib"] > 50


def test_grids_have_the_points_and_axes_asked_for():
    for across in (1, 2, 3, 4):
        axes = _growth_measure.grid(_growth_measure.AXES_POINTS, across)
        assert len(axes) == across and np.prod([len(values) for values in axes.values()]) == 4096


def test_a_child_reports_its_own_memory_and_time():
    block = "import numpy; kept = numpy.ones(2**25); "  # 256 MiB.
    program = "from benchmarks._child import peak_mib; import json, sys; print(json.dumps({'peak': peak_mib()}))"
    small, large = child("-c", program), child("-c", block + program)
    assert 200 < large.said["peak"] - small.said["peak"] < 400
    assert peak_mib() > small.said["peak"]
    assert small.cpu_s > 0.0 and small.seconds > 0.0
    with pytest.raises(ChildProcessError, match="exit code 3"):
        child("-c", "raise SystemExit(3)")
    with pytest.raises(TimeoutError):
        child("-c", "import time; time.sleep(60)", limit_s=0.2)


def test_start_up_is_judged_by_its_medians(monkeypatch, tmp_path):
    times = iter(range(100))

    def pretend(*arguments, cache=None):
        if cache is None:
            return Child({}, 3.0 if arguments[-1] == "import nashgrid.solver" else 2.0, 1.0)
        warm = (cache / "nashgrid").exists()
        os.makedirs(cache / "nashgrid", exist_ok=True)
        parts = {"imports": 1.0, "first_solve": (0.4 if warm else 3.0) + 1e-3 * next(times), "second_solve": 0.01}
        cpu = {f"{name}_cpu": 0.5 * seconds for name, seconds in parts.items()}
        return Child(parts | cpu | {"residual": 1e-16, "error": 1e-15, "status": 1}, 5.0, 4.0)

    monkeypatch.setattr(startup, "child", pretend)
    record = startup.run(tmp_path, quick=True, say=lambda line: None)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    goals = {goal["goal"]: goal for goal in record["goals"]}
    assert goals["import_ratio"]["measured"] == 1.5 and not goals["import_ratio"]["met"]
    cold = goals["first solve, nothing compiled before"]
    assert cold["measured"] == pytest.approx(3.002) and not cold["met"] and cold["met_cpu"]
    assert goals["first solve, compiled by another process before"]["met"]
    first = next(row for row in record["rows"] if row["what"] == "first solve, nothing compiled before")
    assert first["min_s"] == 3.0 and first["max_s"] == pytest.approx(3.004) and first["residual"] == 1e-16
    assert "holds by processor time" in startup.table(record)


def test_the_program_that_start_up_measures_solves_its_games(tmp_path):
    done = child("-m", "benchmarks._first_solve", cache=tmp_path)
    assert done.said["status"] == 1 and done.said["residual"] <= 1e-10 and done.said["error"] <= 1e-9
    assert (tmp_path / "nashgrid").is_dir()
    assert done.said["imports"] + done.said["first_solve"] <= done.seconds


def test_a_record_without_some_series_can_be_drawn(monkeypatch, tmp_path):
    monkeypatch.setattr(growth, "SERIES", {name: growth.SERIES[name] for name in ("firms_cournot", "points_store")})
    record = _growing(monkeypatch, tmp_path, 2.0)
    record["rows"] = record["rows"][:5]
    record["rows"][0]["share_successful"] = 0.5
    draw(record, tmp_path / "few.png")
    assert (tmp_path / "few.png").read_bytes().startswith(b"\x89PNG")
