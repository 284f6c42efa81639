"""What a report is made of, and its two forms: one HTML file that needs nothing else, and Markdown."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

_TEMPLATE = "report.html.j2"
_NUMBER = re.compile(r"-?\d|–|O\(")  # how a cell with a number begins: 0.013, -1.2, a dash for none, O(10²)


@dataclass(frozen=True)
class Link:
    """A table cell that leads to a file, relative to the report."""

    text: str
    target: str


Cell = str | Link


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind = "text"


@dataclass(frozen=True)
class Table:
    """Rows of cells under ``columns``; the first column is the row's name, columns of numbers are set to the right."""

    caption: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    kind = "table"

    def __post_init__(self):
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"the row {row!r} does not fit the columns {self.columns!r}")

    @property
    def numeric(self) -> list[bool]:
        """Whether each column, the first apart, holds nothing but numbers."""
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.columns)
        return [
            place > 0 and all(isinstance(cell, str) and _NUMBER.match(cell) is not None for cell in column)
            for place, column in enumerate(columns)
        ]


@dataclass(frozen=True)
class Figure:
    """A drawn figure, ``path``.svg and ``path``.png; ``alt`` says what is seen to those who cannot see it."""

    path: Path
    caption: str
    alt: str
    kind = "figure"

    @property
    def data_url(self) -> str:
        """The SVG as a data URL: as an image of its own it cannot clash with the ids of another figure."""
        svg = self.path.with_name(self.path.name + ".svg").read_bytes()
        return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


Block = Text | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, tables and figures in the order they are read."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A title, an introduction, warnings that must not be missed, and sections."""

    title: str
    introduction: str
    warnings: list[str]
    sections: list[Section]


def to_html(document: Document) -> str:
    """Return the document as one HTML file: styles and figures inside, no script, no network."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.tests["link"] = lambda cell: isinstance(cell, Link)
    return environment.get_template(_TEMPLATE).render(document=document)


def to_markdown(document: Document) -> str:
    """Return the document as Markdown; figures are PNG files beside it."""
    parts = [f"# {document.title}", document.introduction]
    parts += [f"> **{warning}**" for warning in document.warnings]
    for section in document.sections:
        parts.append(f"## {section.title}")
        parts += [_BLOCKS[block.kind](block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    rules = tuple("---:" if numeric else "---" for numeric in table.numeric)
    lines = [_row(tuple(_escaped(column) for column in table.columns)), _row(rules)]
    lines += [_row(tuple(_cell(cell) for cell in row)) for row in table.rows]
    return f"**{table.caption}**\n\n" + "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(cell: Cell) -> str:
    if isinstance(cell, Link):
        return f"[{_escaped(cell.text)}]({cell.target.replace(' ', '%20')})"
    return _escaped(cell)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")  # |ΔN| would end a Markdown cell


def _figure(figure: Figure) -> str:
    return f"![{figure.alt}]({figure.path.name}.png)\n\n{figure.caption}"


_BLOCKS = {"text": lambda block: block.text, "table": _table, "figure": _figure}


def number(value: float | None, digits: int = 3) -> str:
    """Return a measured number for a table: ``digits`` significant digits, a dash for what was not measured."""
    if value is None or value != value:
        return "–"
    if isinstance(value, int) or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:#.{digits}g}"


def percent(share: float | None) -> str:
    """Return a share of one in per cent."""
    return "–" if share is None or share != share else f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """Return seconds in the two units that matter: 8.4 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
