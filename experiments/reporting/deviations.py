"""The report's section on every choice that differs from the paper or from the authors' program: the README's table."""

import re
from itertools import dropwhile, takewhile
from pathlib import Path

from experiments.reporting.document import Section, Table, Text
from experiments.reporting.material import Material

README = Path(__file__).parents[2] / "README.md"
HEADING = "## Deviations from the paper"
_NOTE = (
    "F-numbers are findings of our measurements on the authors' released weights and data; the README has the others. "
    "Formation energies are predictions of the CGCNN, not of electronic-structure calculations; generated cells are "
    "not relaxed but in Table 3."
)


def deviations(_: Material) -> Section:
    """The README's table, so that it is kept in one place; a sentence where there is no README."""
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    columns, *rows = table_under(HEADING, text) or [()]
    if not rows:
        return Section("Deviations", (Text(f"They are listed in the project's README. {_NOTE}"),))
    return Section("Deviations", (Table("Every choice of ours", columns, rows), Text(_NOTE)))


def table_under(heading: str, markdown: str) -> list[tuple[str, ...]]:
    """Return the cells of the first Markdown table after ``heading``, its head first, without their markup."""
    lines = markdown.partition(f"{heading}\n")[2].partition("\n## ")[0].splitlines()
    table = takewhile(lambda line: line.startswith("|"), dropwhile(lambda line: not line.startswith("|"), lines))
    found = [_cells(line) for line in table]
    return found[:1] + found[2:]  # the second line is the rule


def _cells(line: str) -> tuple[str, ...]:
    cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
    return tuple(_plain(cell.strip()) for cell in cells)


def _plain(text: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return text.replace("`", "").replace("**", "").replace("\\|", "|")
