"""Compounds relaxed with an analytic energy in place of CHGNet: interrupted, judged, written."""

import csv
import gzip
import importlib.util
import json

import numpy as np
import pytest

from data_prep.embedded import TABLE
from data_prep.embedded.__main__ import judge, main, relax_all, write_table
from data_prep.embedded.chgnet_model import energy_function, load_model, relax_element
from data_prep.embedded.compounds import Compound
from data_prep.embedded.elemental_structures import elemental_structure
from data_prep.embedded.equation_of_state import DEFAULT_SEARCH
from data_prep.embedded.prototypes import PROTOTYPES
from data_prep.embedded.relax_compounds import formation_energy, relax_compounds
from data_prep.errors import InputError
from data_prep.files.journal import Journal
from tests.data_prep.embedded.test_embedded_table import COLUMNS
from tests.support.exit_code import exit_code

needs_chgnet = pytest.mark.skipif(
    importlib.util.find_spec("chgnet") is None, reason="chgnet is not installed (extra embedded-data)"
)


def springs(structures):
    """An energy (eV/atom) with its minimum where every nearest distance is 2.5 Å."""
    nearest = [min(n.nn_distance for n in s.get_neighbors(s[-1], 6)) for s in structures]
    return np.array([5.0 * (distance - 2.5) ** 2 - 1.0 for distance in nearest])


def some_compounds():
    return [
        Compound("1", "NaCl", "AB", "rocksalt", "AB halide", ("Na", "Cl")),
        Compound("2", "AlNi", "AB", "CsCl", "AB intermetallic", ("Ni", "Al")),
        Compound("3", "GaAs", "AB", "zincblende", "AB tetrahedral", ("Ga", "As")),
        Compound("4", "MnCo2Si", "ABX2", "L2_1", "ABX2 transition metal", ("Co", "Co", "Mn", "Si")),
    ]


def test_compounds_relax_together_and_alone_to_the_same_minimum():
    together = relax_compounds(some_compounds(), springs)
    for compound in some_compounds():
        prototype = PROTOTYPES[compound.prototype]
        assert prototype.shortest_distance(together[compound.id].a) == pytest.approx(2.5, abs=2e-3)
        assert relax_compounds([compound], springs)[compound.id].a == together[compound.id].a


def test_formation_energy_subtracts_the_elements_by_count():
    heusler = some_compounds()[3]
    energies = {"Co": -7.0, "Mn": -9.0, "Si": -5.0}
    assert formation_energy(heusler, -7.5, energies) == pytest.approx(-7.5 - (-7.0 * 2 - 9.0 - 5.0) / 4)


def test_a_killed_run_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "journal.jsonl"
    asked = []

    def counting(structures):
        asked.append(len(structures))
        return springs(structures)

    relax_all(counting, some_compounds()[:2], DEFAULT_SEARCH, Journal(path, {"version": 1}))
    with open(path, "a") as file:
        file.write('{"key": "half a li')
    asked.clear()
    journal = Journal(path, {"version": 1})
    assert len(journal.items) == 2
    relax_all(counting, some_compounds(), DEFAULT_SEARCH, journal)
    assert asked[0] == 2 * DEFAULT_SEARCH.coarse_points
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 5 and lines[0] == {"version": 1}
    with pytest.raises(InputError, match="other settings or versions"):
        Journal(path, {"version": 2})


def test_judging_a_journal_yields_rows_and_reasons(tmp_path):
    def springs_or_nothing(structures):
        dissolving = np.array(["Ni" in structure.composition for structure in structures])
        volumes = np.array([structure.volume for structure in structures])
        return np.where(dissolving, -volumes, springs(structures))

    journal = Journal(tmp_path / "journal.jsonl", {})
    relax_all(springs_or_nothing, some_compounds(), DEFAULT_SEARCH, journal)
    elements = dict.fromkeys(["Na", "Cl", "Ni", "Al", "Ga", "As", "Co", "Mn", "Si"], -0.5)
    elements["As"] = -6.0
    rows, reasons = judge(some_compounds(), elements, journal)
    assert [row["id"] for row in rows] == ["1", "4"] and list(rows[0]) == COLUMNS
    assert reasons == ["no bracketed minimum", "absurd formation energy"]
    assert rows[0]["formation_energy_per_atom"] == pytest.approx(-0.5, abs=1e-4)
    assert rows[0]["a_conv"] == pytest.approx(5.0, abs=5e-3)


def test_written_bytes_depend_on_the_rows_alone(tmp_path):
    rows = [{"id": "1", "species": "Na Cl"}, {"id": "2", "species": "Cs Cl"}]
    for name in ("one.csv.gz", "two.csv.gz"):
        write_table(tmp_path / name, rows)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()
    with gzip.open(tmp_path / "one.csv.gz", "rt") as file:
        assert list(csv.DictReader(file)) == rows


def test_a_part_must_not_replace_the_whole_table(capsys, monkeypatch):
    monkeypatch.chdir(TABLE.parent)
    for out in ([], ["--out", TABLE.name], ["--out", f"../{TABLE.parent.name}/{TABLE.name}"]):
        assert exit_code(main, ["--limit", "3", *out]) == 2
        assert "--limit needs --out" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--out", "--journal"])
def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path, capsys, monkeypatch, option):
    stand_ins = {
        "load_model": lambda threads: None,
        "versions": lambda model: {},
        "energy_function": lambda model: None,
    }
    stand_ins["judge"] = lambda *of: ([{"id": "1", "species": "Na Cl"}], [])
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(f"data_prep.embedded.__main__.{name}", stand_in)
    (tmp_path / "file").touch()
    paths = {"--out": tmp_path / "t.csv.gz", "--journal": tmp_path / "j.jsonl"} | {
        option: tmp_path / "file" / "t.csv.gz"
    }
    assert exit_code(main, ["--limit", "0", *(str(word) for pair in paths.items() for word in pair)]) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'file'} could not be read or written: File exists.\n"


def test_without_chgnet_the_user_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "chgnet.model", None)
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[embedded-data\]'"):
        load_model()


@needs_chgnet
def test_chgnet_relaxes_rock_salt():
    model = load_model()
    salt = some_compounds()[0]
    minimum = relax_compounds([salt], energy_function(model))["1"]
    assert minimum.a == pytest.approx(5.64, rel=0.03)
    elements = {symbol: relax_element(model, elemental_structure(symbol)) for symbol in ("Na", "Cl")}
    assert formation_energy(salt, minimum.energy, elements) == pytest.approx(-2.10, abs=0.03)
