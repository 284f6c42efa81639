"""How every table is written: Markdown with the digits that are read."""

from collections.abc import Sequence


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, the first column to the left and the others to the right."""
    lines = [_line(header), "|---|" + "---:|" * (len(header) - 1), *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"  # |Δa| would end a cell


def shown(value: float | None, digits: int = 2) -> str:
    """Return a number with so many decimals, a dash for none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def mean_cell(found: dict, digits: int = 2) -> str:
    """Return ``generation.mean_of`` as text: mean and interval."""
    return shown(found["mean"], digits) + _interval(found["interval"], 1, digits)


def share_cell(found: dict) -> str:
    """Return ``generation.share_of`` as text: per cent, interval and counts."""
    if found["share"] is None:
        return "–"
    return f"{100 * found['share']:.1f} %{_interval(found['interval'], 100, 1)}, {found['count']:,} of {found['of']:,}"


def _interval(interval: Sequence[float] | None, factor: float, digits: int) -> str:
    return f" [{factor * interval[0]:,.{digits}f}, {factor * interval[1]:,.{digits}f}]" if interval else ""
