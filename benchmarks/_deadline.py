"""When to stop measuring, so that a run ends in time whatever the machine."""

import math
import time


class Deadline:
    """So many seconds from now on."""

    def __init__(self, seconds: float = math.inf):
        self.end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds."""
        return self.end - time.monotonic()

    def over(self) -> bool:
        """Whether nothing more is to be begun."""
        return self.left() <= 0.0


NONE = Deadline()
"""That never comes."""
OVER = "skipped: the time was up"
"""What is noted of what was not begun."""
