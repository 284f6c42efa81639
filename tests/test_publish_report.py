"""A report copied into the published results: its links still lead somewhere, its numbers travel."""

import json
import re

import pytest

from repro.__main__ import main

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


def test_a_report_that_was_not_made_is_a_users_mistake(folder, capsys):
    assert main(["publish-report", "--run", "test"]) == 2
    assert "run make report first" in capsys.readouterr().err
    assert not (folder / "results/published/report.html").exists()
