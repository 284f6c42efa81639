"""How every result is written: JSON, and for tables CSV and Markdown beside it, with the digits that are read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.files.atomic import write_csv, write_json, write_text


def write_data(path: Path, data: Any) -> list[Path]:
    """Write ``path``.json with ``data`` and return that file; ``path`` has no suffix."""
    write_json(path.with_suffix(".json"), data)
    return [path.with_suffix(".json")]


def write_table(
    path: Path, data: Any, page: str, rows: Sequence[dict] | None = None, columns: Sequence[str] = ()
) -> list[Path]:
    """Write ``path``.json with ``data``, ``path``.csv with ``rows`` if there are any, and the Markdown ``page``.

    Returns the files; ``path`` has no suffix.
    """
    files = write_data(path, data)
    if rows is not None:
        files.append(path.with_suffix(".csv"))
        write_csv(files[-1], rows, columns)
    files.append(path.with_suffix(".md"))
    write_text(files[-1], page + "\n")
    return files


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool = True) -> str:
    """Return a Markdown table, the first column to the left; the others to the right if they hold ``numbers``."""
    rule = "|---|" + ("---:|" if numbers else "---|") * (len(header) - 1)
    lines = [_line(header), rule, *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"  # |Δa| would end a cell


def shown(value: float | None, digits: int = 2) -> str:
    """Return a number with so many decimals, a dash for none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def mean_cell(found: dict, digits: int = 2) -> str:
    """Return ``means.mean_of`` as text: mean and interval."""
    return shown(found["mean"], digits) + _interval(found["interval"], 1, digits)


def spread_cell(found: dict, digits: int = 2) -> str:
    """Return ``means.over_seeds`` as text: mean and standard deviation."""
    spread = "" if found["spread"] is None else f" ± {shown(found['spread'], digits)}"
    return shown(found["mean"], digits) + spread


def share_cell(found: dict) -> str:
    """Return ``means.share_of`` as text: per cent, interval and counts."""
    if found["share"] is None:
        return "–"
    return f"{100 * found['share']:.1f} %{_interval(found['interval'], 100, 1)}, {found['count']:,} of {found['of']:,}"


def _interval(interval: Sequence[float] | None, factor: float, digits: int) -> str:
    return f" [{factor * interval[0]:,.{digits}f}, {factor * interval[1]:,.{digits}f}]" if interval else ""
