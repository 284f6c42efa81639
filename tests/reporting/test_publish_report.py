"""A report copied into the published results: its links still lead somewhere, its numbers travel."""

import errno
import json
import os
import re
import shutil

import pytest

from tests.support.exit_code import run_experiment as main

PAGE = """# Report
[Contents](#tables) ![Errors](figure4.png) [CIF](generate/cifs/a.cif) ![Parity](../published/figure5.png)
[paper](https://doi.org/10.1021/acs.jcim.0c00464)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project with the results of one run and a Figure 5 that was published before."""
    run = tmp_path / "results/test"
    (run / "generate/cifs").mkdir(parents=True)
    (tmp_path / "results/published").mkdir()
    (tmp_path / "results/published/figure5.png").write_bytes(b"five")
    (run / "figure4.png").write_bytes(b"four")
    (run / "generate/cifs/a.cif").write_text("data_a")
    (run / "generate/cifs/unlinked.cif").write_text("data_b")
    (run / "table3.json").write_text('{"rows": [3]}')
    (run / "report.html").write_text("<html>")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_the_page_links_to_is_published_and_nothing_else_of_the_crystals(folder):
    (folder / "results/test/report.md").write_text(PAGE)
    assert main(["publish-report", "--run", "test"]) == 0
    published = folder / "results/published"
    page = (published / "report.md").read_text()
    for link in re.findall(r"\]\(([^#h)][^)]*)\)", page):
        assert (published / link).is_file(), link
    assert "(test/figure4.png)" in page and "(figure5.png)" in page and "(https://doi.org/" in page
    assert sorted(path.name for path in (published / "test/generate/cifs").iterdir()) == ["a.cif"]
    assert json.loads((published / "table3.json").read_text()) == {"rows": [3]}
    assert (published / "report.html").read_text() == "<html>"


@pytest.fixture
def published(folder):
    """The same project with its report published once."""
    (folder / "results/test/report.md").write_text(PAGE)
    assert main(["publish-report", "--run", "test"]) == 0
    return folder / "results/published"


def files(published) -> dict[str, bytes]:
    return {str(path.relative_to(published)): path.read_bytes() for path in published.rglob("*") if path.is_file()}


def test_a_file_that_is_gone_leaves_the_published_report_as_it_was(folder, published, capsys):
    before = files(published)
    (folder / "results/test/generate/cifs/a.cif").unlink()
    (folder / "results/test/figure4.png").write_bytes(b"new")
    assert main(["publish-report", "--run", "test"]) == 2
    assert "results/test/generate/cifs/a.cif is not there" in capsys.readouterr().err
    assert files(published) == before


def test_a_copy_that_is_cut_short_leaves_it_as_it_was_too(folder, published, monkeypatch):
    before, copy = files(published), shutil.copyfile

    def full(source, target):
        if source.name == "table3.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        copy(source, target)

    (folder / "results/test/figure4.png").write_bytes(b"new")
    monkeypatch.setattr(shutil, "copyfile", full)
    assert main(["publish-report", "--run", "test"]) == 2
    assert files(published) == before
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    (published / ".writing-test-killed/new").mkdir(parents=True)  # as a process leaves it that was killed
    assert main(["publish-report", "--run", "test"]) == 0
    assert files(published).keys() == before.keys() and (published / "test/figure4.png").read_bytes() == b"new"
    assert not list(published.glob(".writing-*"))


def test_what_is_no_longer_shown_is_no_longer_published(folder, published):
    (folder / "results/test/report.md").write_text("[Table](table%203.md)")
    (folder / "results/test/table 3.md").write_text("3")
    assert main(["publish-report", "--run", "test"]) == 0
    assert sorted(path.name for path in (published / "test").iterdir()) == ["table 3.md", "table3.json"]
    assert (published / "report.md").read_text() == "[Table](test/table%203.md)"


def test_a_report_that_was_not_made_is_a_users_mistake(folder, capsys):
    assert main(["publish-report", "--run", "test"]) == 2
    assert "run make report first" in capsys.readouterr().err
    assert not (folder / "results/published/report.html").exists()
