"""Settings of every test: float64, no silent promotion, and programs compiled fast rather than optimized."""

import ctypes
import gc
import importlib.metadata
import os
from pathlib import Path

# Tests run thousands of small programs once: compiling dominates, so what is expensive in it is left out. No program is
# split into parts for threads, as every core has tests of its own. Passes that gain nothing where nothing runs long are
# disabled: each change that one of them makes lets all the others begin again, up to ten times. The last flag makes
# jaxlib 0.10 compile in a third of the time; later versions, which are faster by themselves, refuse it.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_parallel_codegen_split_count=1"
    " --xla_disable_hlo_passes=while-loop-constant-sinking,simplify-while-loops,simplify-conditional,reshape-mover,"
    "constant_folding,while-loop-invariant-code-motion"
    + (" --xla_cpu_use_fusion_emitters=false" if importlib.metadata.version("jaxlib").startswith("0.10.") else ""),
)

import hypothesis
import jax
import matplotlib
import pytest

# The same examples every time: a failure can be repeated. HYPOTHESIS_PROFILE=default looks for new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
matplotlib.use("Agg")
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Traces are many objects that live long or not at all: looking for cycles among them took a seventh of the time.
gc.set_threshold(100_000, 20, 100)


def pytest_collection_finish():
    gc.freeze()


_MUCH = 2**31
"""Bytes of a process that has compiled hundreds of programs, each of which JAX keeps: about 10 MB."""


@pytest.fixture(autouse=True, scope="module")
def programs_are_forgotten():
    """After a file, if there are many: two processes would come to hold 12 GB."""
    yield
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # Not known on this system.
        return
    if pages * os.sysconf("SC_PAGESIZE") > _MUCH:
        jax.clear_caches()
        gc.collect()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@pytest.fixture
def without_kernels(monkeypatch):
    """Sweeps run as they do where there is no compiler for kernels, or another device."""
    from nashgrid.solver import _devices

    monkeypatch.setattr(_devices, "available", lambda: False)
