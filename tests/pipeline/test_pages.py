"""What the pages of the project say of files and commands is there."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEADING = "## Deviations from the paper"  # of the README, with the findings
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "weights/MODEL_CARD.md", "data_prep/embedded/DATA_CARD.md")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FINDING = re.compile(r"\bF[1-9][0-9]?\b")
TARGET = re.compile(r"^([a-z][a-z0-9-]*):.*?(## .+)?$", re.MULTILINE)


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
    assert links or name != "README.md"


def targets() -> dict[str, str]:
    """Return the Makefile's targets with their comments."""
    return dict(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_commands_that_a_page_names_are_targets(name):
    page = (ROOT / name).read_text(encoding="utf-8")
    inside = "\n".join(re.findall(r"`([^`\n]*)`", page) + re.findall(r"^make .*$", page, re.MULTILINE))
    named = {command for line in inside.splitlines() for command in re.findall(r"^make ([a-z][a-z0-9-]*)", line)}
    assert named and named <= set(targets())


def test_every_finding_that_the_code_names_is_told_in_the_readme():
    sources = [
        path for folder in ("data_prep", "models", "repro", "experiments") for path in (ROOT / folder).rglob("*.py")
    ]
    named = {name for path in sources for name in FINDING.findall(path.read_text(encoding="utf-8"))}
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    assert {"F3", "F37"} <= named <= set(FINDING.findall(section))


def test_every_target_says_what_it_does_and_is_phony():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony, experiments = (
        re.search(rf"^{start} ((?:.*\\\n)*.*)$", text, re.MULTILINE)[1].replace("\\\n", " ")
        for start in (r"\.PHONY:", "EXPERIMENTS =")
    )
    assert set(phony.replace("$(EXPERIMENTS)", experiments).split()) == set(targets())
    assert all(targets().values())
