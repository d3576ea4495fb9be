"""Operations that a kernel executes are those of its function, and the roof is drawn with them."""

import json

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks import roofline
from benchmarks._counted import counting, operations

from nashgrid.solver import Newton
from nashgrid.solver._kernel import Kernel


def test_instructions_are_counted_by_what_they_compute():
    known = {
        "%v1 = fadd contract <8 x double> %v2, %v3": 8,
        "%v1 = fdiv <16 x float> %v2, %v3": 16,
        "%v1 = call <8 x double> @llvm.sqrt.v8f64(<8 x double> %v2)": 8,
        "%v1 = call <8 x double> @llvm.fma.v8f64(<8 x double> %v2, <8 x double> %v2, <8 x double> %v2)": 16,
        "%v1 = call nsz <8 x double> @llvm.sqrt.v8f64(<8 x double> %v2)": 8,
        "%v1 = call double @pow(double %v2, double %v3)": 1,
        "%v1 = fmul double %v2, %v3": 1,
        "%v1 = call <8 x double> @llvm.fabs.v8f64(<8 x double> %v2)": 0,
        "%v1 = fcmp olt <8 x double> %v2, %v3": 0,
        "%v1 = add <8 x i64> %v2, %v3": 0,
        "%v1 = select <8 x i1> %v4, <8 x double> %v2, <8 x double> %v3": 0,
        "store <8 x double> %v1, ptr %v2": 0,
    }
    assert {text: operations(text) for text in known} == known


def test_loops_are_counted_as_often_as_they_turn():
    def powers(_, row):
        return jax.lax.while_loop(lambda s: s[1] < row[0], lambda s: (s[0] * row[1], s[1] + 1.0), (row[1], 0.0))[0]

    with counting() as counter:
        made = Kernel(powers, (), jax.ShapeDtypeStruct((2,), jnp.dtype(float)), 10_000)
        rows = np.tile([5.0, 2.0], (32, 1))
        np.testing.assert_array_equal(made.run((), rows), 64.0)
        assert counter.total() == 32 * 5 * 2
        # All wait for the slowest one.
        rows[0, 0] = 10.0
        made.run((), rows[:8])
        assert counter.total() == 32 * 5 * 2 + made.lanes * 10 * 2


def test_the_record_of_a_game_and_its_figure(monkeypatch, tmp_path):
    monkeypatch.setattr(roofline, "METHODS", {"newton": (Newton(), None)})
    monkeypatch.setattr(roofline, "QUICK_GAMES", ("linear_cournot_2",))
    monkeypatch.setattr(roofline, "POINTS", 2048)
    monkeypatch.setattr(roofline, "_COPIED", 2**20)
    record = roofline.run(tmp_path, quick=True, say=lambda _: None)
    json.dumps(record, allow_nan=False)
    (row,) = record["rows"]
    # Two firms, two steps and a look at the end: some hundred operations.
    assert 50 < row["flop"] < 1000 and row["steps"] == 2.0
    assert row["bytes"] >= 8 * (4 + 2 + 2)
    assert 0 < row["flop_per_s"] < record["peak"]["flop_per_s"]
    assert "linear_cournot_2" in roofline.table(record)
    assert (tmp_path / "roofline.png").stat().st_size > 10_000
