"""python -m experiments publish-report: a run's report, with its numbers, figures and crystals, into the project."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from data_prep.errors import InputError
from data_prep.files.atomic import UNFINISHED, replacing, write_text
from repro.locks import reading
from repro.run import PUBLISHED, Run
from repro.stages import finished_folders

NUMBERS = tuple(
    f"{name}.{kind}"
    for name in ("table*", "figure*", "novelty", "discovery", "claims", "surrogate*", "seeds")
    for kind in ("json", "csv", "md")
)
TOP = ("table3.json",)  # beside table1.json, for those that compare
_LINK = re.compile(r"\]\((?!#|https?:)([^)]+)\)")


def from_run(run: Run, to: Path | None = None) -> str:
    """Write ``report.html`` and ``report.md`` into ``to``, what they link to and the raw numbers into its RUN folder.

    The published report stays as it is until all of the new one has been copied. Raises InputError if the report
    has not been made, when something that it links to is gone, or when another process is making a finished stage anew.
    """
    with reading(finished_folders(run)):
        return _publish(run, to or PUBLISHED)


def _publish(run: Run, published: Path) -> str:
    page = run.results / "report.md"
    if not page.exists():
        raise InputError(f"{page} is not there: run make report first.")
    text = page.read_text(encoding="utf-8")
    linked = {unquote(link) for link in _LINK.findall(text) if not link.startswith("../")}
    numbers = {path.name for pattern in NUMBERS for path in run.results.glob(pattern)}
    top = [name for name in TOP if (run.results / name).exists()]
    for name in sorted(linked | {"report.html"}):
        if not (run.results / name).is_file():
            raise InputError(f"{run.results / name} is not there, and {page} shows it: run make report again.")
    _replace_folder(run.results, sorted(linked | numbers), published / run.name)
    for name in (*top, "report.html"):
        _copy(run.results / name, published / name)
    write_text(published / "report.md", _LINK.sub(lambda match: f"]({_moved(match[1], run.name)})", text))
    return f"Report: {published / 'report.html'} and report.md; {len(linked | numbers)} files in {published / run.name}"


def render(published: str, path: Path) -> list[Path]:
    """Write nothing more: what is published is copied."""
    return []


def text(published: str) -> str:
    """Return where the report is."""
    return published


def _replace_folder(source: Path, names: Sequence[str], target: Path) -> None:
    """Copy the files ``names`` of ``source`` beside ``target``, then let the copy take its name.

    A process that dies leaves ``target`` as it was, or for an instant none: then the same command makes it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f"{UNFINISHED}{target.name}-*"):
        shutil.rmtree(left)
    copy = Path(tempfile.mkdtemp(prefix=f"{UNFINISHED}{target.name}-", dir=target.parent))
    try:
        (copy / "new").mkdir()
        for name in names:
            _copy(source / name, copy / "new" / name)
        if target.exists():
            target.replace(copy / "old")
        (copy / "new").replace(target)
    finally:
        shutil.rmtree(copy)


def _moved(link: str, run: str) -> str:
    """Return a link of ``results/RUN/report.md`` as one of ``results/published/report.md``."""
    return link.removeprefix("../published/") if link.startswith("../published/") else f"{run}/{link}"


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
