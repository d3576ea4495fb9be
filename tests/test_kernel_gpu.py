"""Kernels for GPUs; what threads compute is run on the processor, one after the other, as no GPU need be there."""

import ctypes
import functools
import warnings

import jax
import jax.numpy as jnp
import llvmlite.binding as llvm
import numpy as np
import pytest
from benchmarks import _tasks, roofline
from jax import lax

from nashgrid.games import IsoelasticCournot, LinearCournot, OpenSourcing
from nashgrid.solver import BestResponse, Leader, Newton, Status, _devices, _kernel_gpu, sweep
from nashgrid.solver._kernel import Addressed
from nashgrid.solver._kernel_gpu import GpuKernel
from nashgrid.solver._kernel_ir import UnsupportedError
from nashgrid.solver._kernel_read import traced, written_for_threads
from nashgrid.solver._kernel_threads import THREADS, assembled, packed
from tests.test_kernel import _nan, _rounded, _whole, same
from tests.test_lowering import FUNCTIONS, SIZES

MOST = 100_000
_OWN = """
@{name} = global i32 0
define i32 @read.{name}() {{
  %x = load i32, ptr @{name}
  ret i32 %x
}}"""


@functools.lru_cache
def _on_the_processor(text):
    """The function of one thread, and the place of its two numbers."""
    for name in ("tid", "ctaid"):
        register = f"@llvm.nvvm.read.ptx.sreg.{name}.x()"
        assert text.count(register) == 2  # Declared, and read once.
        text = text.replace(f"declare i32 {register}", _OWN.format(name=name)).replace(register, f"@read.{name}()")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(text.replace("ptx_kernel ", ""))
    module.verify()
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(opt=1, jit=True)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    numbers = [ctypes.c_int32.from_address(engine.get_global_value_address(name)) for name in ("tid", "ctaid")]
    return engine, engine.get_function_address("points"), numbers


def run(text, leaves, data, columns):
    """What all threads write, points last; what no thread has written is left as it is found."""
    _, address, (thread, block) = _on_the_processor(text)
    points = columns.shape[1]
    arrays = [np.ascontiguousarray(x) for x in (data, columns)]
    arrays += [np.full((*leaf.shape, points), 77, leaf.dtype) for leaf in leaves]
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arrays))(address)
    pointers = [x.ctypes.data for x in arrays]
    for k in range(-(-points // THREADS) * THREADS):  # Those beyond the last point as well.
        block.value, thread.value = divmod(k, THREADS)
        call(*pointers)
    return arrays[2:]


@pytest.fixture
def gpu(monkeypatch):
    """The processor's cores in place of GPUs, which are given the text that PTX would be made of."""

    def launched(text, leaves, data, columns):
        shapes = [jax.ShapeDtypeStruct((*leaf.shape, columns.shape[1]), leaf.dtype) for leaf in leaves]
        return jax.pure_callback(lambda *given: run(text, leaves, *map(np.asarray, given)), shapes, data, columns)

    monkeypatch.setattr(_kernel_gpu, "_launched", launched)
    monkeypatch.setattr(_kernel_gpu, "assembled", lambda text: text)
    monkeypatch.setattr(_kernel_gpu, "key", lambda *_: None)
    monkeypatch.setattr(_kernel_gpu, "_suits", lambda device: True)
    monkeypatch.setattr(_kernel_gpu, "_LEAST", 16)
    monkeypatch.setattr(_kernel_gpu, "_WHOLE", 64)
    monkeypatch.setattr(_devices, "on_host", lambda: False)
    _devices._kernel.cache_clear()
    yield
    _devices._kernel.cache_clear()


def made(function, rows, shared=()):
    """The text for threads, the shapes of results and what they are."""
    row = jax.ShapeDtypeStruct(rows.shape[1:], rows.dtype)
    closed, shapes, _ = traced(function, shared, row, MOST)
    text = written_for_threads(closed, shared, row, MOST)
    leaves, structure = jax.tree.flatten(shapes)
    data = packed([np.asarray(x) for x in jax.tree.leaves(shared)], len(rows))
    every = run(text, leaves, data, np.ascontiguousarray(rows.T))
    return text, jax.tree.unflatten(structure, [x.transpose(-1, *range(x.ndim - 1)) for x in every])


@pytest.mark.parametrize("dtype", (np.float64, np.float32))
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("function", (*FUNCTIONS, _rounded, _nan, _whole), ids=lambda f: f.__name__.strip("_"))
def test_threads_compute_what_vmap_does(function, size, dtype):
    rows = np.random.default_rng(size).normal(size=(21, size)).astype(dtype)
    wanted = jax.jit(jax.vmap(function))(rows)
    try:
        text, found = made(lambda _, x: function(x), rows)
    except UnsupportedError as error:
        assert "on a GPU" in str(error)  # The C library's functions.
        return
    same(found, wanted, 1e-13 if dtype == np.float64 else 1e-4)
    ptx = assembled(text)
    assert ".visible .entry points(" in ptx and ".target sm_80" in ptx and ".extern" not in ptx


def _elementary(x):
    size = jnp.abs(x)
    both = [jnp.exp2(x), jnp.log1p(size), jnp.expm1(x), jnp.tanh(x), jax.nn.sigmoid(x), size**x, jnp.sqrt(size)]
    return both, jnp.int32(9.0 * x), jnp.uint32(9.0 * size), jnp.maximum(jnp.int64(9.0 * x), 3), lax.clamp(-1.0, x, 1.0)


def test_ptx_is_made_of_every_instruction():
    """LLVM stops the process where it has none."""
    rows = np.random.default_rng(0).normal(size=(21, 3))
    text, found = made(lambda _, x: _elementary(x), rows)
    same(found, jax.jit(jax.vmap(_elementary))(rows), 1e-13)
    assert ".visible .entry points(" in assembled(text)


def test_what_all_points_share_is_packed_for_threads():
    shared = {"few": np.arange(3.0), "flag": np.array([True, False, True]), "one": np.float32(2.5), "n": np.int32(7)}

    def function(shared, x):
        return shared["few"] * x[0], shared["flag"], shared["one"] + np.float32(1.0), shared["n"] + x.shape[0]

    rows = np.random.default_rng(0).normal(size=(131, 2))
    _, found = made(function, rows, shared)
    same(found, jax.vmap(functools.partial(function, shared))(rows), 0.0)


def test_what_a_gpu_cannot_do_is_left_to_xla(gpu):
    row = jax.ShapeDtypeStruct((3,), np.float64)
    for function in (lambda _, x: jax.lax.erf(x), lambda _, x: jax.lax.rem(x, x + 1.0)):
        with pytest.raises(UnsupportedError, match="on a GPU"):
            GpuKernel(function, (), row, _devices.devices())
        assert _kernel_gpu.gpu_kernel(function, (), np.ones(3), _devices.devices(), MOST) is None


def test_a_gpu_that_refuses_is_no_error(gpu, monkeypatch):
    def refuse(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: no kernel image")

    monkeypatch.setattr(_kernel_gpu, "_launched", refuse)
    with pytest.warns(UserWarning, match="no kernel image"):
        assert _kernel_gpu.gpu_kernel(lambda _, x: x, (), np.ones(3), _devices.devices(), MOST) is None


@pytest.mark.parametrize("wrong", [0, 3, 30])
def test_a_gpu_that_computes_something_else_is_not_used(gpu, monkeypatch, wrong):
    launched = _kernel_gpu._launched

    def spoilt(*given):
        return [out.at[..., :wrong].add(1e-3) for out in launched(*given)]

    monkeypatch.setattr(_kernel_gpu, "_launched", spoilt)

    def made():
        return _kernel_gpu.gpu_kernel(lambda _, x: jnp.exp(x), (), np.ones(3), _devices.devices(), MOST)

    if wrong < 6:
        assert made() is not None
    else:
        with pytest.warns(UserWarning, match="not what it finds on the processor, at 64 points"):
            assert made() is None


def test_points_that_are_left_are_computed_again(gpu):
    def halved(most, x):
        value = jax.lax.while_loop(lambda s: (s[0] > 1.0) & (s[1] < most), lambda s: (s[0] / 2.0, s[1] + 1), (x[0], 0))[
            0
        ]
        return value, value > 1.0

    few, many = (Addressed([np.int64(most)]) for most in (3, 40))
    row = jax.ShapeDtypeStruct((1,), np.float64)
    kernel = GpuKernel(halved, jax.ShapeDtypeStruct((), np.int64), row, _devices.devices())
    rows = np.random.default_rng(0).choice([3.0, 5.0, 700.0, 9e5], (50, 1))
    wanted, running = kernel.start(many, rows).results(), kernel.start(few, rows, many)
    same(running.results(), wanted, 0.0)
    assert running.again() == np.count_nonzero(rows > 8.0) > 0 and not wanted[1].any()


@pytest.mark.parametrize(
    ("kind", "number", "suits"),
    [
        ("gpu", "9.0", True),
        ("gpu", "12.1", True),
        ("gpu", "7.5", False),
        ("gpu", "gfx90a", False),
        ("cpu", None, False),
    ],
)
def test_kernels_are_for_nvidias_gpus(kind, number, suits):
    device = type("Device", (), {"platform": kind, "compute_capability": number})()
    assert _kernel_gpu._suits(device) is suits


@pytest.mark.parametrize("count", (1, 5, 33, 130))
def test_any_number_of_points(gpu, count):
    rows = np.random.default_rng(count).normal(size=(count, 2))
    row = jax.ShapeDtypeStruct((2,), np.float64)
    kernel = GpuKernel(lambda _, x: (x.sum(), x > 0.0), (), row, _devices.devices())
    for given in (rows, np.asfortranarray(rows)):
        total, positive = kernel.start(Addressed([]), given).results()
        np.testing.assert_array_equal(total, rows.sum(axis=1))
        np.testing.assert_array_equal(positive, rows > 0.0)
    assert kernel._padded(count) % len(_devices.devices()) == 0 and kernel._padded(count) >= count


def test_blocks_are_not_copied_and_few_sizes_occur(gpu):
    row = jax.ShapeDtypeStruct((2,), np.float64)
    kernel, n = GpuKernel(lambda _, x: x, (), row, _devices.devices()), len(_devices.devices())
    sizes = {count: kernel._padded(count) for count in range(n * 64, n * 640, n)}
    assert all(sizes[count] == count for count in list(sizes)[:4])
    assert len(set(sizes.values())) <= 4 + 10 and all(made >= count for count, made in sizes.items())
    assert len({kernel._padded(count) for count in range(1, n * 64)}) == 3


SWEPT = {
    "linear": (
        LinearCournot(cost=(1.0, 2.0)),
        {"intercept": np.linspace(0.5, 9.0, 9), "cost[0]": np.linspace(0.5, 4.0, 5)},
        BestResponse(),
        True,
    ),
    "isoelastic": (IsoelasticCournot(cost=(0.7, 0.8, 0.9)), {"elasticity": np.linspace(1.2, 2.5, 21)}, Newton(), False),
    "leader": (
        Leader(OpenSourcing(outsiders=1), choose="openness", maximize="owner", choices=(0.0, 1.0)),
        {"owner_share": np.linspace(0.1, 0.9, 3)},
        Newton(),
        False,
    ),
}


@pytest.mark.parametrize("rolled", (False, True))
@pytest.mark.parametrize("name", SWEPT)
def test_sweeps_are_those_of_the_processor(gpu, monkeypatch, name, rolled):
    monkeypatch.setattr(_kernel_gpu, "_ROLLED", 1_000 if rolled else 100_000)
    problem, axes, method, certify = SWEPT[name]

    def swept():
        return sweep(problem, axes, method=method, certify=certify, progress=False, keep=None, chunk=17)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = swept()
    assert found.attrs["program"] == "GPU kernel"
    monkeypatch.setattr(_devices, "on_host", lambda: True)
    wanted = swept()
    assert wanted.attrs["program"] == "kernel"
    for key in ("status", "steps"):
        np.testing.assert_array_equal(found[key], wanted[key])
    good = (wanted["status"] == Status.successful) | (wanted["status"] == Status.first_order)
    assert good.sum() > good.size // 2
    for key in found.data_vars:
        if key not in ("residual", "regret", "error", "gain", "deviation"):
            a, b = found[key].where(good), wanted[key].where(good)
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10, err_msg=key)


def test_the_roofline_is_that_of_the_kernel_with_points_on_the_device(gpu, monkeypatch):
    monkeypatch.setattr(_kernel_gpu, "_LARGEST", 64)
    given = _tasks.task("linear_cournot_2", "newton")
    call, points, seen = roofline._on_accelerator(given)
    worth = roofline.solved(given, np.asarray(points), seen(call()))
    assert len(points) == 64 * len(_devices.devices())
    assert worth["residual_max"] is not None and worth["residual_max"] <= 1e-10 and worth["share_accepted"] == 1.0
