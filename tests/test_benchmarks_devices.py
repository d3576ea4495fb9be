"""Maps of an owner's choice, and what is measured on accelerators: the same programs, other clocks, sizes and peers."""

import json

import jax
import pytest
from benchmarks import __main__ as command
from benchmarks import _clock, _peaks, maps, roofline, throughput
from benchmarks._deadline import Deadline
from benchmarks._tasks import FIRST, MAP, names

from nashgrid.games import LinearValueOpenSourcing
from nashgrid.solver import Leader


@pytest.fixture
def accelerated(monkeypatch):
    """As where programs do not run on the processor."""
    for module in (_clock, _peaks, maps, roofline, throughput):
        monkeypatch.setattr(module, "on_host", lambda: False)


def test_a_map_counts_what_is_certified(monkeypatch, tmp_path):
    # A game that takes less long to compile.
    leader = Leader(LinearValueOpenSourcing(outsiders=1), choose="openness", maximize="owner", choices=(0.0, 1.0))
    monkeypatch.setattr(maps, "leader", lambda: leader)
    record = maps.run(tmp_path, quick=True, say=lambda _: None)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    for row, side in zip(record["rows"], maps.QUICK_SIDES, strict=True):
        assert row["points"] == side**2 and row["share_successful"] == 1.0 and row["residual_max"] <= 1e-10
        assert 0.1 < row["share_open"] < 0.9
        assert row["points_per_s"] == pytest.approx(side**2 / row["median_s"])


def test_maps_that_would_take_too_long_are_skipped(tmp_path):
    before = {"side": 512, "median_s": 20.0}
    assert maps._row(4096, before, Deadline())["note"] == "skipped: predicted 1280 s"
    assert maps._row(1024, before, Deadline(60.0))["note"] == "skipped: predicted 80 s"
    assert maps._row(512, None, Deadline(0.0))["note"] == "skipped: the time was up"


def test_on_an_accelerator_only_what_runs_there_is_timed(accelerated):
    ours, peers = throughput.competitors()
    assert [c.name for c in ours] == ["newton", "best_response_certified"]
    assert [c.name for c in peers] == ["plain", "optimistix"]
    games, sizes = throughput._work(quick=False)
    assert [case.name for case in games] == list(throughput.DEVICE_GAMES) and sizes == throughput.DEVICE_SIZES
    assert _clock.clock_name() == "time passed"
    first = list(names(first=True))
    assert {game for game, _ in first[:7]} == set(FIRST) and sorted(first) == sorted(names())
    assert (MAP, "newton") not in first
    assert roofline.counted_in() == "counted in the kernel for a processor, taken to be the same here"


def test_the_peaks_of_an_accelerator_have_its_links(accelerated, monkeypatch):
    monkeypatch.setattr(_peaks, "_ACCELERATED", (64, 8))
    monkeypatch.setattr(_peaks, "_COPIED", 64)
    peaks = _peaks.Peaks()
    peaks.measure()
    assert set(peaks.best()) == set(_peaks.UNITS) and min(peaks.best().values()) > 0.0
    assert peaks.record()["of"] == "device"


def test_a_rate_is_that_of_all_devices_as_games_use_them(accelerated, monkeypatch):
    monkeypatch.setattr(_peaks, "_ACCELERATED", (64, 8))
    monkeypatch.setattr(_peaks, "_COPIED", 64)
    one = {name: amount for name, (amount, _) in _peaks._on_accelerator().items()}
    assert one["flop_per_s"] == 2.0 * 8 * 64 * _peaks._CALLS
    assert one["quotients_per_s"] == 64 * _peaks._CALLS and one["bytes_per_s"] == 2.0 * 8 * 64 * _peaks._CALLS
    (device,) = jax.local_devices()
    monkeypatch.setattr(jax, "local_devices", lambda: [device, device])
    two = {name: amount / one[name] for name, (amount, _) in _peaks._on_accelerator().items()}
    assert two == {
        "flop_per_s": 2.0, "quotients_per_s": 2.0, "bytes_per_s": 2.0, "bytes_in_per_s": 1.0, "bytes_out_per_s": 1.0,
    }  # fmt: skip
    monkeypatch.setattr(jax, "local_device_count", lambda: 2)
    assert _clock.unit() == "set of 2 devices"


def test_what_a_device_refuses_is_noted(monkeypatch):
    def refuse(case, competitor, size):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory\nwhile allocating")

    monkeypatch.setattr(throughput, "_timed", refuse)
    (case, *_), (ours, *_) = throughput._work(quick=True)[0], throughput.NASHGRID
    (row,) = throughput.measure([case], [ours], (4,), lambda line: None)["rows"][:1]
    assert row["note"] == "failed: RESOURCE_EXHAUSTED: out of memory" and row["median_s"] is None
    (row,) = throughput.measure([case], [ours], (4,), lambda line: None, Deadline(0.0))["rows"][:1]
    assert row["note"] == "skipped: the time was up"


def test_rows_of_nashgrid_outlive_the_process_of_the_others(accelerated, monkeypatch):
    def fail(*, quick, minutes, say):
        raise ChildProcessError("the process of the other competitors ended with exit code 3.")

    ours = {"game": throughput.DEVICE_GAMES[0], "competitor": "newton", "note": None}
    monkeypatch.setattr(throughput, "in_a_process", fail)
    monkeypatch.setattr(throughput, "measure", lambda *_: {"parameters": {"competitors": {}}, "rows": [ours.copy()]})
    said = []
    rows = throughput.run(quick=True, say=said.append)["rows"]
    assert ours in rows and len(rows) == 1 + 2 * len(throughput.DEVICE_GAMES)
    others = [row for row in rows if row != ours]
    assert {row["competitor"] for row in others} == {"plain", "optimistix"}
    assert all("exit code 3" in row["note"] or "not installed" in row["note"] for row in others)
    assert len(said) == 1 and "exit code 3" in said[0]


@pytest.mark.parametrize(("host", "folder"), [(True, "results"), (False, "results/gpu")])
def test_records_are_written_where_they_were_measured(monkeypatch, tmp_path, host, folder):
    monkeypatch.setattr(command, "configure", lambda: None)
    monkeypatch.setattr(command, "on_host", lambda: host)
    monkeypatch.setattr(command, "_RESULTS", tmp_path / "results")
    written = []
    monkeypatch.setattr(command, "_one", lambda name, out, quick, deadline: written.append((name, out)))
    # As JAX chooses, nothing being said.
    assert command.main(["map"]) == 0
    assert written == [("map", tmp_path / folder)] and (tmp_path / folder).is_dir()


def test_a_device_that_is_not_there_is_a_one_line_error(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(command, "_choose", lambda device: None)
    monkeypatch.setattr(command, "configure", lambda: None)
    assert command.main(["map", "--device", "gpu", "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "no gpu" in error
    assert list(tmp_path.iterdir()) == []
