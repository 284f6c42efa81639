"""The command that relaxes a user's structures, with EMT in place of CHGNet."""

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
from pymatgen.core import Structure

from data_prep.errors import InputError
from data_prep.files.atomic import write_text
from repro.relaxation import calculator as calculators
from repro.relaxation.calculation_options import CalculationOptions
from repro.relaxation.calculation_store import (
    CONVERGED,
    Store,
)
from repro.relaxation.relax_files import relax_files, relax_generated, relax_structures, remove_earlier
from tests.support.emt import Emt, b2


def test_relaxed_crystals_become_cifs_and_a_table_and_are_not_calculated_twice(tmp_path, capsys, monkeypatch):
    calculator = calculators.Calculator(Emt(), Store(tmp_path / "store"), workers=0)
    structures = {"a": b2("Al", "Ni", 2.95), "b": b2("Cu", "Na", 3.1)}
    relax_structures(structures, calculator, tmp_path / "out")
    assert "1 of 2 relaxed" in capsys.readouterr().out
    relaxed = Structure.from_file(tmp_path / "out" / "relaxed" / "a.cif")
    with open(tmp_path / "out" / "relaxed.csv", newline="") as file:
        row = next(csv.DictReader(file))
    assert relaxed.lattice.a == pytest.approx(float(row["a_relaxed"]), abs=1e-4)
    assert (row["relaxed"], row["method"]) == ("relaxed/a.cif", "EMT")
    monkeypatch.setattr("tests.support.emt.emt_job", None)  # a job that ran would crash
    relax_structures(structures, calculator, tmp_path / "out")
    assert "1 of 2 relaxed" in capsys.readouterr().out
    del structures["a"]
    relax_structures(structures, calculator, tmp_path / "out")
    assert list((tmp_path / "out" / "relaxed").iterdir()) == []  # nothing of the calls before stays


def test_of_an_earlier_relaxation_only_the_cifs_that_it_listed_are_removed(tmp_path):
    files = ("relaxed/old.cif", "relaxed/kept.cif", "relaxed/own.cif", "mine.cif", "relaxed/sub/a.cif", "relaxed/a.txt")
    for name in files:
        write_text(tmp_path / name, "")
    listed = [*(name for name in files if name != "relaxed/own.cif"), "relaxed/../mine.cif", "relaxed/gone.cif"]
    rows = "".join(f"{place},{name}\n" for place, name in enumerate(listed))
    write_text(tmp_path / "relaxed.csv", f"id,relaxed\n{rows}all,{tmp_path / 'mine.cif'}\n")
    remove_earlier(tmp_path / "relaxed.csv", "relaxed", {"relaxed/kept.cif", None})
    assert [name for name in files if not (tmp_path / name).exists()] == ["relaxed/old.cif"]
    (tmp_path / "relaxed.csv").write_bytes(b"\0\1")  # a user's own, whatever it is
    remove_earlier(tmp_path / "relaxed.csv", "relaxed", ())
    remove_earlier(tmp_path / "none.csv", "relaxed", ())


def with_calculator(calculator: calculators.Calculator) -> SimpleNamespace:
    """Return options that choose a calculator of the test's own."""
    return SimpleNamespace(calculator=lambda: calculator)


def test_a_folder_of_which_nothing_can_be_relaxed_is_a_mistake(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    b2("Cu", "Na", 3.1).to(tmp_path / "in" / "salt.cif")
    calculator = calculators.Calculator(Emt(), Store(tmp_path / "store"), workers=0)
    with pytest.raises(InputError, match="in: nothing could be relaxed"):
        relax_files([tmp_path / "in"], tmp_path / "out", with_calculator(calculator))
    assert "EMT has no Na" in capsys.readouterr().err
    assert (tmp_path / "out" / "relaxed.csv").exists()


@pytest.mark.parametrize("path", ["x.cif", "."])
def test_without_out_the_results_go_beside_the_folder(tmp_path, monkeypatch, path):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    b2("Al", "Ni", 2.95).to("x.cif")
    calculator = calculators.Calculator(Emt(), Store(tmp_path / "store"), workers=0)
    relax_files([Path(path)], None, with_calculator(calculator))
    assert (tmp_path / "in-relaxed" / "relaxed" / "x.cif").exists()


def test_beside_the_root_there_is_no_folder(monkeypatch):
    monkeypatch.setattr("repro.relaxation.relax_files.read_structures", lambda paths: ([None], []))
    with pytest.raises(InputError, match="/x.cif has no folder.*--out"):
        relax_files([Path("/x.cif")], None, CalculationOptions())


def test_two_structures_of_one_name_are_both_relaxed(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    b2("Al", "Ni", 2.95).to(folder / "a.cif")
    sites = "3.1,3.1,3.1,90,90,90,Cu Au,0 0 0 0.5 0.5 0.5\n"
    table = "".join(f"{id},{sites}" for id in ("a", "a", "b/c", "b_c"))
    (folder / "table.csv").write_text("id,a,b,c,alpha,beta,gamma,species,frac\n" + table)
    calculator = calculators.Calculator(Emt(), Store(tmp_path / "store"), workers=0)
    relax_files([folder], tmp_path / "out", with_calculator(calculator))
    with open(tmp_path / "out" / "relaxed.csv", newline="") as file:
        rows = {row["id"]: row["formula"] for row in csv.DictReader(file)}
    repeated = {"table.csv/a#1": "CuAu", "table.csv/a#2": "CuAu"}
    assert rows == {"a": "AlNi", "b/c": "CuAu", "b_c-2": "CuAu"} | repeated
    assert len(list((tmp_path / "out" / "relaxed").iterdir())) == 5
    assert "b_c: listed as b_c-2, because b_c is the name of another structure" in capsys.readouterr().err


def test_generated_candidates_are_relaxed_by_their_ids(tmp_path, capsys):
    calculator = calculators.Calculator(Emt(), Store(tmp_path / "store"), workers=0)
    (row,) = relax_generated({"made-00001": b2("Al", "Ni", 2.95)}, calculator, tmp_path / "out")
    assert (row["id"], row["status"]) == ("made-00001", CONVERGED)
    assert (tmp_path / "out" / "relaxed" / "made-00001.cif").exists()
    assert relax_generated({}, calculator, tmp_path / "none") == [] and not (tmp_path / "none").exists()
    assert "No candidate is left to relax." in capsys.readouterr().out
