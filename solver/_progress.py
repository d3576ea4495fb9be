"""Progress on the terminal: points done, points per second, share solved."""

import sys
from types import TracebackType

from tqdm import tqdm


class Progress:
    """A bar over the points of a sweep; `show=None` shows it where somebody can see it."""

    def __init__(self, total: int, done: int, show: bool | None):
        show = sys.stderr.isatty() if show is None else show
        self.bar = tqdm(
            total=total, initial=done, disable=not show, unit=" points", unit_scale=True, dynamic_ncols=True
        )
        self.seen = 0
        self.solved = 0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def add(self, points: int, solved: int) -> None:
        """Count a block."""
        self.seen += points
        self.solved += solved
        self.bar.set_postfix_str(f"solved {self.solved / self.seen:.2%}", refresh=False)
        self.bar.update(points)
