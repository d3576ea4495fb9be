"""Machine code that one process has made is used by others, and only where it is the right one."""

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nashgrid.games import LinearCournot
from nashgrid.solver import Newton, _devices, _kernel, _kernel_key, _kernel_store, sweep
from nashgrid.solver._kernel import Kernel
from nashgrid.solver._kernel_key import key

ROWS = np.random.default_rng(0).normal(size=(40, 3))
WEIGHTS = np.array([0.3, -1.1, 2.7])


def function(shared, x):
    """Products and sums to be fused, a loop, a program in the program, constants, and the C library."""
    scaled = jax.lax.fori_loop(0, 3, lambda k, y: y * shared + WEIGHTS * y * y, x)
    return jax.nn.relu(scaled), jnp.sin(x).sum() / (1.0 + x @ x)


def made(points=float("inf")):
    return Kernel(function, jnp.float64(0.1), jax.ShapeDtypeStruct((3,), jnp.float64), 10_000, points)


def results(kernel):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(kernel.run(np.float64(0.1), ROWS))]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder with the machine code of `function`, and its results."""
    monkeypatch.setattr(_kernel_store, "folder", lambda: tmp_path / "kernels")
    monkeypatch.setattr(_kernel_store, "_least", lambda: 0.0)
    wanted = results(made())
    (file,) = (tmp_path / "kernels").iterdir()
    return file, wanted


def refuse(*arguments, **options):
    raise AssertionError("compiled again")


CHILD = """
import sys
from tests import conftest, test_kernel_cache as here
here.jax.config.update("jax_compilation_cache_dir", sys.argv[1])
here._kernel.compiled = here._kernel.written = here.refuse
here.np.savez(sys.argv[2], *here.results(here.made()))
"""


def test_another_process_uses_it_and_has_the_same_results(kept, tmp_path):
    _, wanted = kept
    subprocess.run([sys.executable, "-c", CHILD, tmp_path, tmp_path / "found.npz"], check=True, timeout=120.0)
    found = np.load(tmp_path / "found.npz")
    for name, right in zip(found.files, wanted, strict=True):
        np.testing.assert_array_equal(found[name], right)


def test_what_is_damaged_is_made_anew(kept):
    file, wanted = kept
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole[:-100] + bytes(100)):
        file.write_bytes(damaged)
        for found, right in zip(results(made()), wanted, strict=True):
            np.testing.assert_array_equal(found, right)
        assert file.stat().st_size == len(whole)
    assert [*file.parent.iterdir()] == [file]


def test_code_of_another_processor_or_for_another_library_is_not_used(kept, monkeypatch):
    with monkeypatch.context() as here:
        here.setattr(_kernel, "compiler", lambda: ("0.0", "(1, 0, 0)", "x86_64", "i486", ""))
        here.setattr(_kernel, "compiled", refuse)
        with pytest.raises(AssertionError, match="compiled again"):
            made()
    file, _ = kept
    data = _kernel_store.found(file.name)
    assert data is not None
    _kernel_store.keep(file.name, data.replace(b'"sin"', b'"absent_from_libm"'), 1.0)
    monkeypatch.setattr(_kernel, "compiled", refuse)
    with pytest.raises(AssertionError, match="compiled again"):
        made()


def test_a_place_that_cannot_be_written_to_is_no_error_and_too_much_is_forgotten(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(_kernel_store, "_least", lambda: 0.0)
    monkeypatch.setattr(_kernel_store, "folder", lambda: tmp_path / "file")
    _kernel_store.keep("a", b"some", 1.0)
    assert _kernel_store.found("a") is None
    monkeypatch.setattr(_kernel_store, "folder", lambda: tmp_path / "folder")
    monkeypatch.setattr(_kernel_store, "_MOST", 100)
    for name in "ab":
        _kernel_store.keep(name, 50 * b"x", 1.0)
    assert [_kernel_store.found(name) for name in "ab"] == [None, 50 * b"x"]


def test_few_points_are_computed_by_code_made_with_less_care_and_are_the_same(monkeypatch):
    monkeypatch.setattr(_kernel, "_SHORT", 0)
    kernel = made(points=10)
    quick = results(kernel)
    assert not kernel._codes[-1].careful
    kernel.expect(10**7)
    assert kernel._codes[-1].careful
    for a, b in zip(quick, results(kernel), strict=True):
        np.testing.assert_array_equal(a, b)


def test_code_made_with_less_care_is_kept_where_care_fails(monkeypatch):
    monkeypatch.setattr(_kernel, "_SHORT", 0)
    kernel = made(points=10)
    quick = results(kernel)

    def fails(key, text, careful):
        assert careful
        raise RuntimeError("LLVM fails")

    monkeypatch.setattr(_kernel, "compiled", fails)
    kernel.expect(10**7)
    for a, b in zip(quick, results(kernel), strict=True):
        np.testing.assert_array_equal(a, b)
    # Where there is nothing yet, nothing is hidden.
    with pytest.raises(RuntimeError, match="LLVM fails"):
        made()


def test_stores_come_from_careful_code_however_few_their_points(tmp_path, monkeypatch):
    """What fills one store, at once or point by point, by one process or another, is then the same to the last bit."""
    monkeypatch.setattr(_kernel, "_SHORT", 0)
    made, original = [], _kernel.compiled

    def compiled(key, text, careful):
        made.append(careful)
        return original(key, text, careful)

    monkeypatch.setattr(_kernel, "compiled", compiled)

    def filled(store=None, chunk: Any = "auto"):
        axes = {"intercept": np.linspace(8.0, 12.0, 5)}
        sweep(LinearCournot(), axes, method=Newton(), certify=False, progress=False, store=store, chunk=chunk)
        return made

    _devices._kernel.cache_clear()
    assert filled() == [False]
    assert filled(tmp_path / "later.zarr", chunk=3) == [False, True]
    _devices._kernel.cache_clear()
    assert filled(tmp_path / "first.zarr") == [False, True, True]


def test_programs_that_differ_anywhere_have_different_keys():
    def of(f):
        return key(jax.make_jaxpr(f)(ROWS), [ROWS])

    def inside(weights):
        return of(lambda x: jax.lax.map(jax.jit(lambda row: row * weights), x))

    loop = [of(lambda x, n=n: jax.lax.fori_loop(0, n, lambda k, y: y + 0.5, x)) for n in (3, 4)]
    axes = [of(lambda x, k=k: x.sum(axis=k)) for k in (0, 1)]
    order = [of(lambda x: x - x[:1]), of(lambda x: x[:1] - x)]
    keys = [inside(WEIGHTS), inside(WEIGHTS + 1e-15), *loop, *axes, *order, of(lambda x: x), of(lambda x: (x, x))]
    assert None not in keys and len(set(keys)) == len(keys)
    assert inside(WEIGHTS) == keys[0]
    # Something that nobody can tell from others.
    assert of(lambda x: jax.pure_callback(np.sin, x, x)) is None


def test_code_of_a_version_that_nobody_can_tell_is_not_kept(kept, monkeypatch):
    """As where the package is imported from an archive, and its modules are no files."""
    file, wanted = kept
    monkeypatch.setattr(_kernel_key, "_SOURCE", None)
    file.unlink()
    assert key(jax.make_jaxpr(lambda x: x)(ROWS), [ROWS]) is None
    for found, right in zip(results(made()), wanted, strict=True):
        np.testing.assert_array_equal(found, right)
    assert not [*file.parent.iterdir()]
