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


def unit() -> str:
    """That of which rates are: a core where costs are processor time, else all devices of this process together."""
    count = jax.local_device_count()
    return "core" if on_host() else "device" if count == 1 else f"set of {count} devices"


def failed(error: Exception) -> str:
    """What is noted of a measurement that an accelerator or another process has failed."""
    return f"failed: {(str(error).strip().splitlines() or [''])[0][:200]}"


def clock_name() -> str:
    """What `clock` counts, in words."""
    return "processor time" if on_host() else "time passed"
