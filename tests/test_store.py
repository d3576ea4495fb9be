"""Stores: the same bytes however often a sweep is stopped, and a clear refusal of whatever cannot be used."""

import errno
import filecmp
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.codecs import ZstdCodec

from nashgrid.solver import GameError, Newton, Status, StoreError
from nashgrid.solver import _run as run_module
from nashgrid.solver import _store as store_module
from nashgrid.solver._chunks import replace
from nashgrid.solver._store import Store
from nashgrid.solver._sweep import sweep
from tests.small_games import Duopoly

ROOT = Path(__file__).parent.parent
FILE = """
import jax
jax.config.update("jax_enable_x64", True)
import os, signal, sys
import numpy as np
from nashgrid.solver import Newton
from nashgrid.solver import _store
from nashgrid.solver._sweep import sweep
from tests.small_games import Duopoly

path, block, where = sys.argv[1], int(sys.argv[2]), sys.argv[3]
write, mark = _store.write_chunk, _store._set


def dying_in_the_data(root, array, region, values):
    write(root, array, region, values)
    if where == "data" and array.name == "/payoff" and region[0].start == block:
        os.kill(os.getpid(), signal.SIGKILL)


def dying_before_the_ledger(folder, k):
    if where == "ledger" and k == block:
        os.kill(os.getpid(), signal.SIGKILL)
    mark(folder, k)


_store.write_chunk, _store._set = dying_in_the_data, dying_before_the_ledger
axes = {"cost[0]": np.linspace(0, 12, 9), "intercept": np.linspace(8, 14, 7)}
sweep(Duopoly(), axes, store=path, chunk=10, method=Newton(), certify=False)
"""


AXES = {"cost[0]": np.linspace(0.0, 12.0, 9), "intercept": np.linspace(8.0, 14.0, 7)}
QUICK: dict[str, Any] = {"method": Newton(), "certify": False, "chunk": 10}


def same_files(one: Path, other: Path) -> bool:
    """All that is read is the same: what a killed process leaves half written has a name that begins with a dot."""
    found = [[p for p in root.rglob("*") if p.is_file() and not p.name.startswith(".")] for root in (one, other)]
    names = [sorted(str(p.relative_to(root)) for p in files) for root, files in zip((one, other), found, strict=True)]
    return names[0] == names[1] and all(filecmp.cmp(one / n, other / n, shallow=False) for n in names[0])


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A finished store; not to be changed."""
    path = tmp_path_factory.mktemp("kept") / "map.zarr"
    sweep(Duopoly(), AXES, store=path, **QUICK)
    return path


def stopping_after(monkeypatch, blocks, error):
    """Make the write of a block fail after so many."""
    write, done = Store.write, []

    def failing(self, k, results):
        if len(done) == blocks:
            raise error
        done.append(k)
        write(self, k, results)

    monkeypatch.setattr(Store, "write", failing)


def test_xarray_opens_a_store_as_the_result_in_memory(kept):
    memory = sweep(Duopoly(), AXES, **QUICK)
    for opened in (xr.open_zarr(kept, chunks=None), xr.open_dataset(kept, engine="zarr")):
        xr.testing.assert_identical(opened.load(), memory)
    assert memory.firm.values.tolist() == ["A", "B"]
    lazy = sweep(Duopoly(), AXES, store=kept, **QUICK)
    assert not lazy.q._in_memory
    assert float(lazy.q.sel(firm="A")[0, 0]) == float(memory.q[0, 0, 0])


def test_a_finished_store_is_not_computed_again(kept, monkeypatch):
    monkeypatch.setattr(run_module, "TwoPasses", lambda *_: pytest.fail("compiled again"))
    sweep(Duopoly(), AXES, store=kept, **QUICK)


def run_script(folder, name, block, where):
    script = folder / "script.py"
    script.write_text(FILE)
    command = [sys.executable, script, folder / name, str(block), where]
    return subprocess.run(
        command, env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}, timeout=300
    ).returncode


def whole_blocks(path, kept):
    """How many blocks the ledger of an unfinished store names, each of which is as in the finished one."""
    done = np.flatnonzero(Store(path).done())
    for array in ("q", "payoff", "price", "status", "steps"):
        for k in done:
            files = [p.relative_to(kept) for p in (kept / array / "c" / str(k)).rglob("*") if p.is_file()]
            assert files and all(filecmp.cmp(path / f, kept / f, shallow=False) for f in files)
    return len(done)


def test_a_sweep_that_is_killed_twice_goes_on_to_the_same_bytes(tmp_path, kept):
    path = tmp_path / "stopped.zarr"
    assert run_script(tmp_path, path.name, 3, "data") == -signal.SIGKILL
    first = whole_blocks(path, kept)
    assert 2 <= first <= 4 and not Store(path).done()[3]  # All but those in flight, of which the fourth may be done.
    assert run_script(tmp_path, path.name, 6, "ledger") == -signal.SIGKILL
    assert first < whole_blocks(path, kept) < 9 and not Store(path).done()[6]
    assert run_script(tmp_path, path.name, -1, "never") == 0
    assert run_script(tmp_path, "whole.zarr", -1, "never") == 0
    assert same_files(path, tmp_path / "whole.zarr")


def test_an_unfinished_store_reads_as_not_computed(tmp_path, monkeypatch, kept):
    stopping_after(monkeypatch, 4, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        sweep(Duopoly(), AXES, store=tmp_path / "map.zarr", **QUICK)
    part, whole = xr.open_zarr(tmp_path / "map.zarr", chunks=None).load(), xr.open_zarr(kept, chunks=None).load()
    missing = part.status.values == Status.not_computed
    assert missing.sum() == 63 - 4 * 7
    assert part.status.dtype == np.int8 and part.steps.dtype == np.int32
    assert np.isnan(part.q.values[missing]).all() and np.isnan(part.price.values[missing]).all()
    np.testing.assert_array_equal(part.q.values[~missing], whole.q.values[~missing])


def test_automatic_blocks_go_on_with_the_blocks_of_the_store(tmp_path, monkeypatch, kept):
    stopping_after(monkeypatch, 4, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        sweep(Duopoly(), AXES, store=tmp_path / "map.zarr", **QUICK)
    monkeypatch.undo()
    sweep(Duopoly(), AXES, store=tmp_path / "map.zarr", method=Newton(), certify=False)
    assert same_files(tmp_path / "map.zarr", kept)


@pytest.mark.parametrize("where", ["_set", "write_chunk"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), PermissionError("read-only")])
def test_a_disk_that_cannot_be_written(tmp_path, monkeypatch, error, where, kept):
    write = getattr(store_module, where)

    def full(*what):
        fails = what[1] == 2 if where == "_set" else what[1].name == "/price" and what[2][0].start == 2
        if fails:
            raise error
        write(*what)

    monkeypatch.setattr(store_module, where, full)
    with pytest.raises(StoreError, match="Nothing that was finished is lost") as raised:
        sweep(Duopoly(), AXES, store=tmp_path / "map.zarr", **QUICK)
    assert str(error) in str(raised.value)
    monkeypatch.undo()
    done = Store(tmp_path / "map.zarr").done()
    assert done[:2].all() and not done[2] and not done[5:].any()
    whole_blocks(tmp_path / "map.zarr", kept)
    sweep(Duopoly(), AXES, store=tmp_path / "map.zarr", **QUICK)
    assert same_files(tmp_path / "map.zarr", kept)


def test_what_is_not_written_wholly_is_not_there(tmp_path, monkeypatch):
    def half(file, content):
        with file.open("wb") as begun:
            begun.write(content[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    replace(tmp_path, "folder/file", b"before")
    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space"):
        replace(tmp_path, "folder/file", b"after")
    assert [p.read_bytes() for p in (tmp_path / "folder").iterdir()] == [b"before"]


@pytest.mark.parametrize("part", ["", "price", "ledger"])
def test_a_store_that_goes_away_is_not_made_anew_without_what_it_was(tmp_path, monkeypatch, part):
    path, mark = tmp_path / "map.zarr", store_module._set

    def going(folder, k):
        mark(folder, k)
        if k == 2:
            (path / part).rename(tmp_path / "gone")  # At once, while other blocks are being written.

    monkeypatch.setattr(store_module, "_set", going)
    with pytest.raises(StoreError, match="is gone"):
        sweep(Duopoly(), AXES, store=path, **QUICK)
    assert not (path / part).exists()


def test_points_count_as_done_when_they_are_written(tmp_path, monkeypatch):
    written, counted, mark = [], [], store_module._set

    class Bar(run_module.Progress):
        def add(self, points, solved):
            counted.append(points)
            assert sum(counted) <= 7 * len(written)

    monkeypatch.setattr(run_module, "Progress", Bar)
    monkeypatch.setattr(store_module, "_set", lambda folder, k: (mark(folder, k), written.append(k)))
    sweep(Duopoly(), AXES, store=tmp_path / "map.zarr", **QUICK)
    assert sum(counted) == 63


def test_a_store_of_an_earlier_version_is_gone_on_with(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(store_module, "COMPRESSOR", "auto")
    stopping_after(monkeypatch, 4, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        sweep(Duopoly(), AXES, store=tmp_path / "map.zarr", **QUICK)
    monkeypatch.undo()
    result = sweep(Duopoly(), AXES, store=tmp_path / "map.zarr", **QUICK)
    xr.testing.assert_identical(result.load(), xr.open_zarr(kept, chunks=None).load())
    assert {type(codec) for codec in Store(tmp_path / "map.zarr").arrays["q"].compressors} == {ZstdCodec}


@pytest.mark.parametrize("chunk", [1, 4, 5, 63])
def test_blocks_of_any_shape_are_read_as_they_were_written(tmp_path, chunk):
    options: dict[str, Any] = {**QUICK, "chunk": chunk, "sensitivity": ("intercept",)}
    stored = sweep(Duopoly(), AXES, store=tmp_path / "map.zarr", **options)
    xr.testing.assert_identical(stored.load(), sweep(Duopoly(), AXES, **options))


def test_shards_fill_one_store(tmp_path, kept):
    path = tmp_path / "map.zarr"
    for i in (2, 0, 1):
        data = sweep(Duopoly(), AXES, store=path, shard=(i, 3), **QUICK)
    assert (data.status != Status.not_computed).all()
    assert same_files(path, kept)


def test_a_shard_writes_its_blocks_only(tmp_path):
    sweep(Duopoly(), AXES, store=tmp_path / "map.zarr", shard=(1, 3), **QUICK)
    assert np.flatnonzero(Store(tmp_path / "map.zarr").done()).tolist() == [1, 4, 7]


class Edited(Duopoly):
    def payoff(self, s):
        return (self.intercept - 1.1 * s["q"].sum() - self.cost) * s["q"]


# The class under its old name, as after an edit of its file.
Edited.__qualname__ = "Duopoly"
SAME: dict[str, Any] = {"problem": Duopoly(), "axes": AXES, **QUICK}


@pytest.mark.parametrize(
    "change, says",
    [
        (
            {"problem": Duopoly(cost=(1.0, 3.0))},
            r"parameter 'cost': float64 .* 3.0\] here, float64 .* 2.0\] in the store",
        ),
        ({"problem": Edited()}, "what payoff computes: #.* here, #.* in the store"),
        ({"axes": AXES | {"intercept": np.linspace(8.0, 15.0, 7)}}, r"axis 'intercept': .*15.0\] here.*14.0\] in"),
        ({"axes": dict(reversed(AXES.items()))}, "order of axes: intercept, cost"),
        ({"sensitivity": ("intercept",)}, "sensitivity: intercept here, none in the store"),
        ({"tol": 1e-8}, "tol: 1e-08 here, 1e-10 in the store"),
        ({"max_steps": 99}, "max_steps: 99 here, 256 in the store"),
        ({"certify": True}, "certify: GlobalSearch"),
        ({"method": Newton(escapes=1)}, "method: Newton"),
        ({"chunk": 20}, r"block: \(2, 7\) here, \(1, 7\) in the store"),
    ],
)
def test_another_sweep_is_refused_and_what_differs_is_named(kept, change, says):
    with pytest.raises(StoreError, match=says) as raised:
        sweep(**(SAME | change), store=kept)
    # Nothing else is said to differ, except what follows from it.
    assert len(str(raised.value).splitlines()) <= 3


def test_the_old_value_of_a_varied_parameter_does_not_matter(kept):
    sweep(Duopoly(cost=(7.0, 2.0), intercept=3.0), AXES, store=kept, **QUICK)


class Constants(Duopoly):
    """A payoff that uses an array which is not a field."""

    def payoff(self, s):
        return (self.intercept - s["q"].sum() - self.cost - jnp.asarray(EXTRA)) * s["q"]


EXTRA = np.array([0.1, 0.2])


def test_a_constant_of_the_payoff_is_part_of_the_sweep(tmp_path, monkeypatch):
    sweep(Constants(), {"intercept": [9.0]}, store=tmp_path / "map.zarr", **QUICK)
    monkeypatch.setitem(globals(), "EXTRA", np.array([0.1, 0.3]))
    with pytest.raises(StoreError, match="what payoff computes"):
        sweep(Constants(), {"intercept": [9.0]}, store=tmp_path / "map.zarr", **QUICK)


@pytest.mark.parametrize("kind", ["empty", "file", "zarr", "text"])
def test_what_is_no_store_is_refused_and_left_alone(tmp_path, kind):
    path = tmp_path / "map.zarr"
    if kind == "file":
        path.write_text("hello")
    else:
        path.mkdir()
    if kind == "zarr":
        zarr.create_group(str(path), zarr_format=3, overwrite=True)
    if kind == "text":
        (path / "zarr.json").write_text("{")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match=r"map\.zarr is not a nashgrid store"):
        sweep(Duopoly(), AXES, store=path, **QUICK)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("damage", [b"", b"\x07", b"many bytes"])
def test_a_damaged_ledger_is_refused_with_the_way_out(tmp_path, damage, kept):
    path = tmp_path / "map.zarr"
    sweep(Duopoly(), AXES, store=path, **QUICK)
    (path / "ledger" / "done" / "c" / "3").write_bytes(damage)
    with pytest.raises(StoreError, match=r"ledger of finished blocks cannot be read.*Delete"):
        sweep(Duopoly(), AXES, store=path, **QUICK)
    for file in (path / "ledger" / "done" / "c").iterdir():
        file.unlink()
    sweep(Duopoly(), AXES, store=path, **QUICK)
    assert same_files(path, kept)


def test_a_store_made_at_the_same_time_is_shared(tmp_path, monkeypatch, kept):
    path, create = tmp_path / "map.zarr", store_module._layout

    def late(made, schema, grid, here):
        create(made, schema, grid, here)
        if not path.exists():
            create(path, schema, grid, here)

    monkeypatch.setattr(store_module, "_layout", late)
    sweep(Duopoly(), AXES, store=path, **QUICK)
    assert same_files(path, kept)
    assert [p.name for p in tmp_path.iterdir()] == ["map.zarr"]


def test_a_store_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="cannot be made"):
        sweep(Duopoly(), AXES, store=tmp_path / "file" / "map.zarr", **QUICK)


def test_a_later_format_is_refused(tmp_path):
    path = tmp_path / "map.zarr"
    sweep(Duopoly(), {"intercept": [9.0]}, store=path, **QUICK)
    ledger = path / "ledger" / "zarr.json"
    content = json.loads(ledger.read_text())
    about = json.loads(content["attributes"]["nashgrid"])
    content["attributes"]["nashgrid"] = json.dumps(about | {"format": 99})
    ledger.write_text(json.dumps(content))
    with pytest.raises(StoreError, match="format 99"):
        Store(path)


def test_one_block_is_one_chunk(kept):
    group = zarr.open_group(str(kept), mode="r")
    assert group["q"].chunks == (1, 7, 2) and group["status"].chunks == (1, 7)  # type: ignore[union-attr]
    assert len(list((kept / "status" / "c").rglob("*"))) == 9 + 9


def test_a_mistake_in_the_axes_makes_no_store(tmp_path):
    with pytest.raises(GameError):
        sweep(Duopoly(), {"nothing": [1.0]}, store=tmp_path / "map.zarr")
    assert not (tmp_path / "map.zarr").exists()
