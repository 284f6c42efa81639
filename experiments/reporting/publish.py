"""python -m repro publish-report: a run's report, with its numbers, figures and crystals, into the project."""

import re
import shutil
from pathlib import Path

from data_prep.atomic import replacing, write_text
from data_prep.errors import InputError
from repro.run import RESULTS, Run

NUMBERS = tuple(
    f"{name}.{kind}"
    for name in ("table*", "figure*", "novelty", "claims", "surrogate")
    for kind in ("json", "csv", "md")
)
TOP = ("table3.json",)  # beside table1.json, for those that compare
_LINK = re.compile(r"\]\((?!#|https?:)([^)]+)\)")


def publish_run(run: Run, to: Path | None) -> None:
    """Write ``report.html`` and ``report.md`` into ``to``, what they link to and the raw numbers into its RUN folder.

    Raises InputError when the report has not been made.
    """
    page = run.results / "report.md"
    if not page.exists():
        raise InputError(f"{page} is not there: run make report first.")
    published = to or RESULTS / "published"
    text = page.read_text(encoding="utf-8")
    linked = {link for link in _LINK.findall(text) if not link.startswith("../")}
    numbers = {path.name for pattern in NUMBERS for path in run.results.glob(pattern)}
    shutil.rmtree(published / run.name, ignore_errors=True)
    for name in sorted(linked | numbers):
        _copy(run.results / name, published / run.name / name)
    for name in TOP:
        if (run.results / name).exists():
            _copy(run.results / name, published / name)
    _copy(run.results / "report.html", published / "report.html")
    write_text(published / "report.md", _LINK.sub(lambda match: f"]({_moved(match[1], run.name)})", text))
    print(f"Report: {published / 'report.html'} and report.md; {len(linked | numbers)} files in {published / run.name}")


def _moved(link: str, run: str) -> str:
    """Return a link of ``results/RUN/report.md`` as one of ``results/published/report.md``."""
    return link.removeprefix("../published/") if link.startswith("../published/") else f"{run}/{link}"


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
