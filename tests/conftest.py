"""Settings of every test: float64, no silent promotion, and programs compiled fast rather than optimized."""

import os

# Tests run thousands of small programs once: compiling dominates, so LLVM's expensive passes are left out.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

import jax
import matplotlib

matplotlib.use("Agg")
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
