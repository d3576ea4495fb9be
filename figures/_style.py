"""What the figures share: colours that everybody can tell apart, sizes, and files that are the same every time."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.style import context

# Okabe & Ito (2008), "Color universal design".
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
FAILED = "#000000"
DPI = 150


def style() -> AbstractContextManager[None]:
    """The settings under which every figure is drawn and written, whatever those of the user are."""
    return context(
        [
            "default",
            {
                "font.size": 9.0,
                "axes.titlesize": 9.0,
                "axes.labelsize": 9.0,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "figure.titlesize": 11.0,
                "figure.titleweight": "bold",
                "figure.constrained_layout.use": True,
                "legend.fontsize": 8.5,
                "legend.frameon": False,
            },
        ]
    )


def write(figure: Figure, file: Path) -> None:
    """A PNG that says neither when nor with what it was made: the same figure, the same bytes."""
    figure.savefig(file, dpi=DPI, metadata={"Software": None})


def framed(ax: Axes) -> Axes:
    """All four sides, for maps."""
    ax.spines[["top", "right"]].set_visible(True)
    return ax


def without_legend(ax: Axes) -> Axes:
    """For panels that share the legend of their figure."""
    if (legend := ax.get_legend()) is not None:
        legend.remove()
    return ax


def patches(entries: Mapping[str, str]) -> list[Patch]:
    """Handles of a legend for areas: label -> colour."""
    return [Patch(facecolor=colour, label=label) for label, colour in entries.items()]


def span(values: xr.DataArray) -> tuple[float, float]:
    """From the first to the last of the values of an axis."""
    return float(values[0]), float(values[-1])


def percent(share: float) -> str:
    """A share in a legend: never 0 % or 100 % where it only rounds to it."""
    text = f"{100 * share:.1f}"
    if text == "0.0" and share > 0:
        return "< 0.1 %"
    return "> 99.9 %" if text == "100.0" and share < 1 else f"{text.removesuffix('.0')} %"
