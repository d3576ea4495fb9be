"""The benchmarks measure what they say: one residual for all, nothing counted that missed it, nothing invented."""

import dataclasses
import json
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmarks import __main__ as command
from benchmarks import _nashgrid, _process, _residual, certificates, throughput
from benchmarks._cases import cases
from benchmarks._competitor import Answer, Competitor, Prepared
from benchmarks._figure import draw
from benchmarks._murphy_sherali_soyster import MurphySheraliSoyster
from benchmarks._nashgrid import NASHGRID
from benchmarks._plain import PLAIN
from benchmarks._random_games import FAMILIES
from benchmarks._residual import residuals
from benchmarks._table import table, unmeasured

from nashgrid.games import linear_cournot_equilibrium
from nashgrid.solver import Status, solve
from nashgrid.solver._axes import knobs, put

CASE = cases()["linear_cournot_2"]


def closed_form(points):
    """The equilibria of `CASE`."""
    return np.stack([linear_cournot_equilibrium(p[0], p[1], p[2:]) for p in jnp.asarray(points)])


def exact(case, points):
    """A competitor that knows the answer."""
    return Prepared(0.0, lambda: Answer(closed_form(points), None))


FEW = {"nashopt": (1,), "scipy": (8,)}
ANSWERS = {}


def peers():
    """All competitors on few points; their answers are kept in `ANSWERS`."""

    def keeping(peer):
        def prepare(case, points):
            prepared = peer.prepare(case, points)

            def run():
                ANSWERS[peer.name] = prepared.run()
                return ANSWERS[peer.name]

            return Prepared(prepared.compile_s, run)

        return dataclasses.replace(peer, prepare=prepare, sizes=FEW.get(peer.name))

    return [keeping(peer) for peer in throughput.PEERS]


@pytest.fixture(scope="module")
def record():
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="jaxopt")  # Which nashopt imports, and which says that it is old.
        patch.setattr(_nashgrid, "default_width", lambda kernel: 24)  # Three blocks, the last one not full.
        return throughput.measure([CASE], (*peers(), *NASHGRID), (64,), lambda line: None)


def test_a_record_is_json_with_parameters_and_environment(record):
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert set(record) == {"benchmark", "date", "commit", "environment", "parameters", "rows"}
    assert record["environment"]["jaxlib"] and record["environment"]["cores"] >= 1 and record["environment"]["x64"]
    assert record["parameters"]["tolerance"] == 1e-8
    assert set(record["parameters"]["games"]["linear_cournot_2"]["uniform_in"]) == set(CASE.columns)


def test_every_rate_has_its_residual(record):
    measured = [row for row in record["rows"] if row["note"] is None]
    present = [peer.name for peer in throughput.PEERS if peer.missing is None]
    assert {row["competitor"] for row in measured} == {*present, *(c.name for c in NASHGRID)}
    for row in measured:
        assert 0.0 <= row["residual_p99"] <= row["residual_max"] <= 1e-8, row
        assert row["share_within"] == 1.0
        assert row["median_s"] == sorted(row["seconds"])[1]
        assert row["equilibria_per_s"] == pytest.approx(row["points"] / row["median_s"])
        assert row["share_successful"] == (1.0 if row["competitor"].endswith("certified") else None)


def test_what_was_not_measured_has_no_numbers(record):
    here = record["environment"]["platform"]
    others = [row for row in record["rows"] if row["platform"] != here]
    assert len(others) == len(NASHGRID)
    assert all(row["note"] == "not measured" and row[name] is None for row in others for name in throughput.NUMBERS)
    assert list(unmeasured(record)) == [p for p in ("cpu", "gpu") if p != here]


def test_the_table_and_the_figure_show_every_competitor(record, tmp_path):
    lines = table(record).splitlines()
    for name in record["parameters"]["competitors"]:
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert "100.00%" in line or "not installed" in line
    assert any(line.split()[:1] == ["numba"] and " 1 " in line for line in lines) or throughput.NUMBA.missing
    draw(record, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_the_residual_is_the_one_known_for_linear_demand(monkeypatch):
    monkeypatch.setattr(_residual, "_LANES", 24)
    points = CASE.points(64)
    intercept, slope, cost = points[:, :1], points[:, 1:2], points[:, 2:]
    z = np.random.default_rng(0).uniform(0.5, 1.5, (64, 2)) * closed_form(points)
    own = (intercept - cost - slope * (z.sum(axis=1, keepdims=True) + z)) / (2.0 * slope)
    target = np.clip(z + own, 0.0, intercept / slope)
    expected = np.abs(target - z).max(axis=1) / np.maximum(z, target).max(axis=1)
    assert expected.min() > 1e-4
    np.testing.assert_allclose(residuals(CASE, points, z), expected, rtol=1e-12)


def test_a_wrong_answer_is_caught_and_not_counted():
    points = CASE.points(64)
    right = closed_form(points)
    assert residuals(CASE, points, right).max() <= 1e-14
    wrong = right.copy()
    wrong[5, 1] *= 1.0 + 1e-6
    row = throughput.judged(CASE, points, Answer(wrong, None), [1.0, 1.0, 1.0])
    assert row["share_within"] == 63 / 64 and row["equilibria_per_s"] == 63.0
    assert 1e-7 < row["residual_max"] < 1e-5
    all_wrong = throughput.judged(CASE, points, Answer(right * (1.0 + 1e-7), None), [1.0, 1.0, 1.0])
    assert all_wrong["share_within"] == 0.0 and all_wrong["equilibria_per_s"] == 0.0
    wrong[5, 1] = np.nan
    row = throughput.judged(CASE, points, Answer(wrong, None), [1.0, 1.0, 1.0])
    assert row["residual_max"] is None and row["equilibria_per_s"] == 63.0


@pytest.mark.parametrize("peer", throughput.PEERS, ids=lambda peer: peer.name)
def test_a_wrong_answer_of_each_peer_is_caught(record, peer):
    if peer.missing:
        pytest.skip(peer.missing)
    wrong = ANSWERS[peer.name].z.copy()
    points = CASE.points(len(wrong))
    assert residuals(CASE, points, wrong).max() <= 1e-8
    wrong[0, 1] *= 1.0 + 1e-6
    row = throughput.judged(CASE, points, Answer(wrong, None), [1.0, 1.0, 1.0])
    assert row["residual_max"] > 1e-7 and row["equilibria_per_s"] == len(wrong) - 1


@pytest.mark.parametrize("case", cases().values(), ids=list(cases()))
def test_the_kernels_by_hand_agree_with_plain_newton(case, monkeypatch):
    numba = pytest.importorskip("numba")
    from benchmarks._numba_kernels import kernel

    # As Python: the algebra is looked at here, and compiling it would take longer than all else.
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    points = case.points(64)
    z = np.full((64, case.firms), np.nan)
    kernel(case)(points, z)
    np.testing.assert_allclose(z, PLAIN.prepare(case, points).run().z, rtol=1e-8)


def test_the_oligopoly_of_1982_has_the_published_quantities():
    found = solve(MurphySheraliSoyster())
    expected = [36.9325, 41.8181, 43.7066, 42.6592, 39.1790]
    np.testing.assert_allclose(found.strategy["quantity"], expected, atol=1e-4)


def test_a_point_without_a_certificate_is_not_counted():
    points = CASE.points(64)
    answer = Answer(closed_form(points), np.arange(64) < 16)
    row = throughput.judged(CASE, points, answer, [2.0, 2.0, 2.0])
    assert row["share_within"] == 1.0 and row["share_successful"] == 0.25 and row["equilibria_per_s"] == 8.0


def test_a_size_that_takes_too_long_is_skipped_without_numbers(monkeypatch):
    monkeypatch.setattr(throughput, "LIMIT_S", 0.0)
    record = throughput.measure([CASE], [Competitor("exact", "", exact)], (4, 8), lambda line: None)
    first, second = record["rows"]
    assert first["residual_max"] <= 1e-14 and first["note"] is None
    assert second["note"].startswith("skipped: predicted")
    assert all(second[name] is None for name in throughput.NUMBERS)


def test_a_missing_competitor_says_so():
    absent = Competitor("absent", "", exact, missing="skipped: not installed")
    (row,) = throughput.measure([CASE], [absent], (4,), lambda line: None)["rows"]
    assert row["note"] == "skipped: not installed" and row["median_s"] is None


def test_other_competitors_run_in_a_process_with_the_flags_as_they_were(tmp_path, monkeypatch):
    child = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(child))
    monkeypatch.setattr(_process, "FLAGS", "as before")
    said = []
    child.write_text("""#!/bin/sh\necho "$* under $XLA_FLAGS"\necho '{"rows": [{"points": 3}]}'\n""")
    child.chmod(0o755)
    assert _process.in_a_process(quick=True, say=said.append) == [{"points": 3}]
    assert said == ["-m benchmarks._process --quick under as before"]
    child.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(ChildProcessError, match="exit code 3"):
        _process.in_a_process(quick=False, say=said.append)


def test_the_record_says_in_which_process_others_ran(record, monkeypatch):
    rows = [row for row in record["rows"] if row["competitor"] == "plain"]
    monkeypatch.setattr(throughput, "in_a_process", lambda *, quick, minutes, say: rows)
    monkeypatch.setattr(throughput, "NASHGRID", ())
    whole = throughput.run(quick=True, say=lambda line: None)
    assert whole["rows"] == rows
    assert whole["parameters"]["process"] == {
        "of their own": ["nashopt", "scipy", "plain", "optimistix", "numba"],
        "with XLA_FLAGS": _process.FLAGS,
    }
    assert list(whole["parameters"]["competitors"]) == whole["parameters"]["process"]["of their own"]


@pytest.mark.parametrize("case", cases().values(), ids=list(cases()))
def test_all_competitors_see_the_same_parameters(case):
    points = case.points(3)
    np.testing.assert_array_equal(points, case.points(7)[:3])
    swept = put(case.game, knobs(case.game, tuple(case.columns), "axes"), list(points[2]))
    for mine, theirs in zip(jax.tree.leaves(case.at(points[2])), jax.tree.leaves(swept), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_an_unknown_benchmark_is_a_one_line_error(capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["nothing"])
    assert (
        "no benchmark 'nothing'; there is throughput, map, roofline, lanes, startup, growth, certificates."
        in capsys.readouterr().err
    )


def test_a_folder_that_cannot_be_made_is_a_one_line_error(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(command, "configure", lambda: None)
    (tmp_path / "file").write_text("")
    assert command.main(["--out", str(tmp_path / "file" / "inside")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_false_certificate_is_counted(monkeypatch):
    family = next(f for f in FAMILIES if f.name == "waves")
    monkeypatch.setattr(certificates, "BLOCK", 32)
    honest = certificates._family(family, 40)
    assert honest["false_certificates"] == 0 and 30 < honest["solved"] < 40
    assert honest["refused_looked_at"] == 40 - honest["solved"] >= honest["refused_rightly"] > 0
    solved = certificates._solved

    def lying(games, tol):
        z, status, payoff, scale = solved(games, tol)
        return z, np.full_like(status, Status.successful), payoff, scale

    monkeypatch.setattr(certificates, "_solved", lying)
    assert certificates._family(family, 40)["false_certificates"] >= 40 - honest["solved"] - 1
    assert "false certificates" in certificates.summary(honest)


def test_a_count_that_was_stopped_goes_on_where_the_commit_is_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(certificates, "commit", lambda: "0123abcd")
    counted = []

    def family(family, games):
        if family is FAMILIES[2] and len(counted) == 2:
            raise KeyboardInterrupt
        counted.append(family.name)
        row = dict.fromkeys(("games", "solved", "false_certificates", "seconds"), 1.0)
        return row | {"family": family.name, "refused_looked_at": 0, "refused_rightly": None}

    monkeypatch.setattr(certificates, "_family", family)
    with pytest.raises(KeyboardInterrupt):
        certificates.run(tmp_path, quick=True, say=lambda line: None)
    counted.append("stopped")
    record = certificates.run(tmp_path, quick=True, say=lambda line: None)
    names = [f.name for f in FAMILIES]
    assert counted == [*names[:2], "stopped", *names[2:]] and [row["family"] for row in record["rows"]] == names
    assert list(tmp_path.iterdir()) == []

    counted.clear()
    with pytest.raises(KeyboardInterrupt):
        certificates.run(tmp_path, quick=True, say=lambda line: None)
    monkeypatch.setattr(certificates, "commit", lambda: "0123abce")
    counted.append("another commit")
    certificates.run(tmp_path, quick=True, say=lambda line: None)
    assert counted[2:] == ["another commit", *names]


def test_the_constructed_games_have_the_equilibria_they_were_made_to_have(monkeypatch):
    family = next(f for f in FAMILIES if f.name == "constructed")
    monkeypatch.setattr(certificates, "BLOCK", 32)
    row = certificates._family(family, 32)
    assert row["solved"] == 32 and row["false_certificates"] == 0
    solved = certificates._solved
    monkeypatch.setattr(
        certificates, "_solved", lambda games, tol: (solved(games, tol)[0] + 1e-6, *solved(games, tol)[1:])
    )
    assert certificates._family(family, 32)["false_certificates"] == 32
