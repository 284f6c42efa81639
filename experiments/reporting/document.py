"""What a report is made of: parts, sections, and blocks of text, tables, figures and crystals to turn."""

import base64
import json
import mimetypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_NUMBER = re.compile(r"-?\d|–|O\(")  # how a cell with a number begins: 0.013, -1.2, a dash for none, O(10²)


@dataclass(frozen=True)
class Link:
    """A table cell that leads to a file, relative to the report, or to a section (``#...``).

    With ``content`` the file travels inside the HTML, and the link downloads it from there.
    """

    text: str
    target: str
    content: str = ""

    @property
    def href(self) -> str:
        """Where the link leads in HTML."""
        return data_url(self.content.encode(), "chemical/x-cif") if self.content else self.target

    @property
    def name(self) -> str:
        """The name under which the file is saved."""
        return Path(self.target).name


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
    """A drawn figure, ``path``.svg and ``path``.png; ``alt`` describes it to those who cannot see it."""

    path: Path
    caption: str
    alt: str
    kind = "figure"

    @property
    def data_url(self) -> str:
        """The SVG as a data URL: as an image of its own it cannot clash with the ids of another figure.

        The PNG if there is nothing else, as of published figures.
        """
        files = [self.path.with_name(self.path.name + suffix) for suffix in (".svg", ".png")]
        file = next((file for file in files if file.exists()), files[0])
        return data_url(file.read_bytes(), mimetypes.types_map[file.suffix])


@dataclass(frozen=True)
class Crystal:
    """A crystal to look at and to take away: its name, facts in words, its CIF, and ``scene``, what is drawn.

    ``file`` is where the CIF lies, relative to the report; ``scene`` is plain data of ``experiments.drawing.scene``.
    """

    name: str
    facts: str
    file: str
    cif: str
    scene: dict


@dataclass(frozen=True)
class Viewer:
    """Crystals to turn, one at a time."""

    caption: str
    crystals: tuple[Crystal, ...]
    kind = "viewer"

    @property
    def data(self) -> str:
        """What the script in the page draws, as JSON that no markup can break."""
        plain = [
            {"name": c.name, "facts": c.facts, "saved": Path(c.file).name, "cif": c.cif, "scene": c.scene}
            for c in self.crystals
        ]
        return json.dumps(plain, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


Block = Text | Table | Figure | Viewer


@dataclass(frozen=True)
class Section:
    """A heading with blocks in the order they are read; ``unlike``: why our numbers can differ from the paper's."""

    title: str
    blocks: tuple[Block, ...]
    unlike: str = ""

    @property
    def anchor(self) -> str:
        """The name that links use; in Markdown its viewers make the same of the heading."""
        return re.sub(r"[^\w\- ]", "", self.title.lower()).replace(" ", "-")


def absent(title: str, stage: str) -> Section:
    """Return a section that only says which stage has not been run."""
    return Section(title, (Text(f"Not run yet: the stage {stage} has left no result for this run."),))


@dataclass(frozen=True)
class Part:
    """Sections that belong together in the list of contents."""

    title: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Document:
    """A title, an introduction, warnings that must not be missed, and parts with sections."""

    title: str
    introduction: str
    warnings: list[str]
    parts: tuple[Part, ...]

    @property
    def sections(self) -> list[Section]:
        """All sections in their order."""
        return [section for part in self.parts for section in part.sections]

    @property
    def has_viewer(self) -> bool:
        """Whether there is a crystal to turn, so that the page needs the viewer's script."""
        return any(block.kind == "viewer" for section in self.sections for block in section.blocks)


def data_url(content: bytes, media_type: str) -> str:
    """Return a URL that holds the content itself."""
    return f"data:{media_type};base64," + base64.b64encode(content).decode()


def number(value: float | None, digits: int = 3) -> str:
    """Return a measured number for a table: ``digits`` significant digits, a dash for what was not measured."""
    if value is None or value != value:
        return "–"
    if isinstance(value, int) or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:#.{digits}g}"


def percent(share: float | None, interval: Sequence[float] | None = None) -> str:
    """Return a share of one in per cent, with the ends of its interval if there is one."""
    if share is None or share != share:
        return "–"
    ends = f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]" if _known(interval) else ""
    return f"{100 * share:.1f} %{ends}"


def ranged(value: float | None, interval: Sequence[float] | None) -> str:
    """Return a measured number as ``number`` does, with the ends of its interval if there is one."""
    return number(value) + (f" [{number(interval[0])}, {number(interval[1])}]" if _known(interval) else "")


def _known(interval: Sequence[float] | None) -> bool:
    return interval is not None and all(end is not None and end == end for end in interval)


def duration(seconds: float) -> str:
    """Return seconds in the two units that matter: 8.4 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
