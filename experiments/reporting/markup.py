"""The two forms of a report: one HTML file that needs nothing else, and Markdown with its files beside it."""

import os
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from experiments.reporting.document import Block, Cell, Document, Figure, Link, Table, Viewer

_HERE = Path(__file__).parent
_TEMPLATE, _SCRIPT = "report.html.j2", "viewer.js"
_LIBRARY = Path("vendor") / "3Dmol-min.js"


def to_html(document: Document) -> str:
    """Return the document as one HTML file: styles, figures, crystals and the script that turns them are inside.

    A policy in its head forbids the page every request.
    """
    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.tests["link"] = lambda cell: isinstance(cell, Link)
    names = (_LIBRARY, Path(_SCRIPT)) if document.has_viewer else ()
    scripts = [(_HERE / name).read_text(encoding="utf-8") for name in names]
    return environment.get_template(_TEMPLATE).render(document=document, scripts=scripts)


def to_markdown(document: Document, folder: Path = Path()) -> str:
    """Return the document as Markdown, to lie in ``folder``; figures are PNG files beside it."""
    parts = [f"# {document.title}", document.introduction]
    parts += [f"> **{warning}**" for warning in document.warnings]
    parts.append("\n".join(_contents(document)))
    for part in document.parts:
        parts.append(f"## {part.title}")
        for section in part.sections:
            parts.append(f"### {section.title}")
            parts += [_block(block, folder) for block in section.blocks]
            parts += [f"*Unlike the paper:* {section.unlike}"] if section.unlike else []
    return "\n\n".join(parts) + "\n"


def _contents(document: Document) -> list[str]:
    lines = []
    for part in document.parts:
        lines.append(f"- {part.title}")
        lines += [f"  - {_link(Link(section.title, '#' + section.anchor))}" for section in part.sections]
    return lines


def _block(block: Block, folder: Path) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        path = os.path.relpath(block.path.with_name(block.path.name + ".png"), folder)
        return f"![{block.alt}]({path.replace(' ', '%20')})\n\n{block.caption}"
    return _viewer(block) if isinstance(block, Viewer) else block.text


def _table(table: Table) -> str:
    rules = tuple("---:" if numeric else "---" for numeric in table.numeric)
    lines = [_row(tuple(_escaped(column) for column in table.columns)), _row(rules)]
    lines += [_row(tuple(_cell(cell) for cell in row)) for row in table.rows]
    return f"**{table.caption}**\n\n" + "\n".join(lines)


def _viewer(viewer: Viewer) -> str:
    links = (_link(Link(crystal.name, crystal.file)) for crystal in viewer.crystals)
    return f"{viewer.caption} CIFs: {', '.join(links)}."


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(cell: Cell) -> str:
    return _link(cell) if isinstance(cell, Link) else _escaped(cell)


def _link(link: Link) -> str:
    return f"[{_escaped(link.text)}]({link.target.replace(' ', '%20')})"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")  # |ΔN| would end a Markdown cell
