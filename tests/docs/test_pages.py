"""Files, headings, targets and findings that the project's pages name exist, and the pages are complete."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.pages import DOCS, PAGES, code_spans, read, table_after, typed_lines, words

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FINDING = re.compile(r"\bF[1-9][0-9]?\b")
TARGET = re.compile(r"^([a-z][a-z0-9-]*):.*?(## .+)?$", re.MULTILINE)
PACKAGES = ("data_prep", "models", "repro", "experiments")
# Folders and files of the repository; what lies in others is made by running it.
OURS = (
    "data_prep",
    "models",
    "repro",
    "experiments",
    "tests",
    "docs",
    "weights",
    "results/published",
    "results/released",
)
PATH = re.compile(rf"(?:{'|'.join(OURS)})(?:/[\w.-]+)*/?")
TOP_LEVEL = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile", "setup.cfg"}
MODULE = re.compile(r"\w+\.py")


def anchors(page: Path) -> set[str]:
    """Return the names of a page's headings as links write them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_headings(name):
    page = ROOT / name
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{name}: {link}"
        assert not anchor or anchor in anchors(target), f"{name}: {link}"
    assert links or name not in ("README.md", "docs/index.md")


@pytest.mark.parametrize("name", PAGES)
def test_files_that_a_page_names_exist(name):
    """A path in backticks counts from the root or from the page's own folder; a bare module may be anywhere."""
    for span in code_spans(read(name)):
        if MODULE.fullmatch(span):
            assert any(list((ROOT / folder).rglob(span)) for folder in PACKAGES), f"{name}: {span}"
        elif span in TOP_LEVEL or (PATH.fullmatch(span) and "/" in span):
            assert (ROOT / span).exists() or (ROOT / name).parent.joinpath(span).exists(), f"{name}: {span}"


def targets() -> dict[str, str]:
    """Return the Makefile's targets with their comments."""
    return dict(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))


def named_targets(page: str) -> set[str]:
    """Return the targets of every ``make ...`` in a page's text, in backticks or in a code block."""
    named = set()
    for line in code_spans(page) + typed_lines(page):
        if line.startswith("make "):
            named |= {word for word in words(line)[1:] if re.fullmatch(r"[a-z][a-z0-9-]*", word)}
    return named


@pytest.mark.parametrize("name", PAGES)
def test_commands_that_a_page_names_are_targets(name):
    named = named_targets(read(name))
    assert named <= set(targets())
    assert named or name not in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/targets.md")


def test_the_page_of_targets_names_them_all():
    assert set(targets()) == named_targets(read("docs/targets.md"))


def test_every_finding_that_the_code_names_is_explained():
    sources = [path for folder in (*PACKAGES, "tests") for path in (ROOT / folder).rglob("*.py")]
    named = {name for path in sources for name in FINDING.findall(path.read_text(encoding="utf-8"))}
    explained = set(re.findall(r"^### (F\d+)\n\S", read("docs/findings.md"), re.MULTILINE))
    assert {"F3", "F37"} <= named <= explained


def test_the_page_of_deviations_has_the_whole_table():
    columns, *rows = table_after("|", read("docs/deviations.md"))
    assert len(rows) > 25 and {len(row) for row in rows} == {len(columns)} == {5}
    assert rows[0][0] == "Cell (F1)" and rows[-1][0] == "Short presets"


def test_every_page_is_listed_and_on_the_site():
    listed = {f"docs/{link}" for link in LINK.findall(read("docs/index.md")) if "/" not in link}
    assert listed == set(DOCS) - {"docs/index.md"}
    on_the_site = (ROOT / "docs/pages.py").read_text(encoding="utf-8")
    assert all(f'"{name}"' in on_the_site for name in PAGES)


def test_every_target_has_a_comment_and_is_phony():
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    lists = dict(re.findall(r"^([A-Z]+) = (.*)$", text, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1]
    phony = re.sub(r"\$\(([A-Z]+)\)", lambda found: lists[found[1]], phony)
    assert set(phony.split()) == set(targets())
    assert all(targets().values())
