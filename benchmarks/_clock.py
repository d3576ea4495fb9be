"""What time costs are measured in: of the processor, or of an accelerator."""

import time

import jax


def on_host() -> bool:
    """Whether programs run on processor cores."""
    return jax.local_devices()[0].platform == "cpu"


def clock() -> float:
    """Seconds: of all cores that this process has used, whatever else the machine does; on an accelerator, whose work
    is not in these, seconds that have passed."""
    return time.process_time() if on_host() else time.perf_counter()


def failed(error: Exception) -> str:
    """What is noted of a measurement that an accelerator or another process has failed."""
    return f"failed: {(str(error).strip().splitlines() or [''])[0][:200]}"


def clock_name() -> str:
    """What `clock` counts, in words."""
    return "processor time" if on_host() else "time passed"
