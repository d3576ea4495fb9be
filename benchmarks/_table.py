"""The rows of a record as text, with ratios to the competitors that are not nashgrid."""

from collections.abc import Iterable, Iterator
from typing import Any

_HEAD = (
    f"{'competitor':<25}{'points':>10}{'equilibria/s':>14}{'x scipy':>9}{'x plain':>9}{'x numba':>9}"
    f"{'residual p99':>14}{'max':>9}{'within':>9}{'certified':>11}"
)


def table(record: dict[str, Any]) -> str:
    """One block for each game; "x plain" and "x numba" compare with these at the same number of points."""
    games = record["parameters"]["games"]
    return "\n".join(line for name, game in games.items() for line in _block(record, name, game["title"]))


def _block(record: dict[str, Any], name: str, title: str) -> Iterator[str]:
    here = record["environment"]["platform"]
    rows = [row for row in record["rows"] if row["game"] == name and row["platform"] == here]
    rates = {(row["competitor"], row["points"]): row["equilibria_per_s"] for row in rows}
    scipy = next((rate for (who, _), rate in rates.items() if who == "scipy"), None)
    yield f"\n{title}"
    yield _HEAD
    for row in rows:
        begin = f"{row['competitor']:<25}{row['points']:>10,}"
        speed = row["equilibria_per_s"]
        if speed is None:
            yield f"{begin}  {row['note']}"
            continue
        yield begin + "".join(
            [
                f"{rate(speed):>14}",
                f"{_ratio(speed, scipy):>9}",
                *(f"{_ratio(speed, rates.get((who, row['points']))):>9}" for who in ("plain", "numba")),
                f"{_size(row['residual_p99']):>14}{_size(row['residual_max']):>9}",
                f"{row['share_within']:>9.2%}",
                f"{'' if row['share_successful'] is None else format(row['share_successful'], '.2%'):>11}",
            ]
        )


def rate(speed: float) -> str:
    """Equilibria per second as text; below ten with a decimal."""
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"


def _ratio(speed: float, other: float | None) -> str:
    return f"{speed / other:.3g}" if other else ""


def _size(residual: float | None) -> str:
    return "infinite" if residual is None else f"{residual:.0e}"


def unmeasured(record: dict[str, Any]) -> Iterable[str]:
    """The platforms of which the record has no numbers."""
    known = {row["platform"] for row in record["rows"]}
    return sorted(known - {row["platform"] for row in record["rows"] if row["median_s"] is not None})
