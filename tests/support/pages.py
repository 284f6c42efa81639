"""The project's Markdown pages as the tests read them: code spans, lines of code blocks, commands, tables."""

import re
import shlex
from collections.abc import Iterator

from tests.conftest import ROOT

DOCS = tuple(sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")))
CARDS = ("weights/MODEL_CARD.md", *(f"data_prep/{name}/DATA_CARD.md" for name in ("embedded", "bases", "hull")))
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", *CARDS, *DOCS)
BLOCK = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|\s)(?:\S*/)?python3? -m (repro|experiments)\s+(.+)$")


def read(name: str) -> str:
    """Return the text of a page, named relative to the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[str]:
    """Return the code blocks of these languages in a page's text."""
    return [code for language, code in BLOCK.findall(page) if language in languages]


def typed_lines(page: str) -> list[str]:
    """Return the lines of a page's shell blocks that a reader types; in a ``console`` block those after a prompt."""
    shell = [line for block in blocks(page, "sh") for line in block.splitlines()]
    console = [line for block in blocks(page, "console") for line in block.splitlines()]
    return shell + [line.removeprefix("$ ") for line in console if line.startswith("$ ")]


def code_spans(page: str) -> list[str]:
    """Return what stands in single backticks outside code blocks."""
    return [span.replace("\\|", "|") for span in re.findall(r"`([^`\n]+)`", BLOCK.sub("", page))]


def words(line: str) -> list[str]:
    """Split a command line as a shell does, without its comment and without what it is piped into."""
    found = shlex.split(line, comments=True)
    return found[: min([found.index(sign) for sign in ("|", ">", ";", "&&") if sign in found], default=len(found))]


def commands(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Return package and arguments of every ``python -m repro ...`` and ``python -m experiments ...`` in lines."""
    for line in lines:
        if found := COMMAND.search(line):
            yield found[1], words(found[2])


def table_after(heading: str, page: str) -> list[list[str]]:
    """Return the cells of the first table after a line that starts with ``heading``, its head first, without markup."""
    lines = page[page.index(f"\n{heading}") + 1 :].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([plain(cell.strip()) for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))])
    return rows[:1] + rows[2:]  # the second line is the rule


def plain(text: str) -> str:
    """Return Markdown text without links, bold, backticks and escapes."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return text.replace("`", "").replace("**", "").replace("\\|", "|")
