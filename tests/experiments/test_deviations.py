"""The deviations from the paper: one table, and a page of the documentation that is made from it."""

from dataclasses import astuple

from experiments import deviations
from experiments.reporting.run_facts import every_deviation
from tests.conftest import ROOT
from tests.support.exit_code import run_experiment as main


def test_the_committed_page_is_what_the_table_gives():
    page = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8")
    assert page == deviations.page(deviations.DEVIATIONS), "run make deviations"


def test_the_table_is_whole():
    rows = [astuple(row) for row in deviations.DEVIATIONS]
    assert len(rows) > 25 and {len(row) for row in rows} == {len(deviations.HEADER)} == {5}
    assert all(cell.strip() == cell and cell for row in rows for cell in row)
    assert rows[0][0] == "Cell (F1)" and rows[-1][0] == "Short presets"
    assert len({row[0] for row in rows}) == len(rows)


def test_the_command_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["deviations"]) == 0
    lines = (tmp_path / "docs/deviations.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == len(deviations.DEVIATIONS) + 2
    assert table[1] == "|---|---|---|---|---|"
    assert "docs/deviations.md" in capsys.readouterr().out


def test_the_report_has_every_row_without_markup():
    table, _ = every_deviation(None).blocks
    assert [row[0] for row in table.rows] == [row.what for row in deviations.DEVIATIONS]
    assert not any("`" in cell for row in table.rows for cell in row)
