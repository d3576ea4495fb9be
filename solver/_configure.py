"""JAX set up for sweeps, in one call at the start of a program; importing nashgrid never changes a setting."""

import contextlib
import os
from pathlib import Path

import jax

_FUSED = "xla_cpu_use_multi_output_fusion"


def configure(*, float64: bool = True) -> None:
    """Set JAX up for equilibria: precision, every processor core a device, loops fused, compiled programs kept.

    Call it before any array is made. Programs are kept in the folder nashgrid of $XDG_CACHE_HOME, else of ~/.cache.

    Args:
        float64: whether to compute in double precision, JAX's own default being single.
    """
    jax.config.update("jax_enable_x64", float64)
    # Else products are rounded to fewer digits on recent GPUs and TPUs.
    jax.config.update("jax_default_matmul_precision", "highest")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nashgrid"
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_force_host_platform_device_count" not in flags:
        # Refused where JAX has been used before: then its devices are taken, and XLA has read its flags.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
            if "xla_backend_extra_options" not in flags:
                os.environ["XLA_FLAGS"] = f"{flags} --xla_backend_extra_options={_FUSED}".strip()


def fuses_loops() -> bool:
    """Whether XLA makes one loop over the lanes of operations with several results, as `configure` asks it to.

    Arrays that are taken apart need it; other programs can become much slower by it.
    """
    return _FUSED in os.environ.get("XLA_FLAGS", "")
