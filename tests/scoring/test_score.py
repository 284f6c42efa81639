"""python -m repro score, on folders of good, repeated, known and damaged structures, with an energy for each."""

import csv
import gzip
import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from pymatgen.core import Lattice, Structure

from data_prep.errors import InputError
from repro.__main__ import main
from repro.relaxation.calculation_store import structure_record
from repro.relaxation.surrogate import Surrogate
from repro.scoring import judged_rows
from repro.scoring import score as score_command
from repro.scoring.score import score_files
from repro.scoring.score_rows import COLUMNS
from tests.conftest import ROOT
from tests.support.emt import b2
from tests.support.exit_code import exit_code
from tests.support.made_up_scores import (
    HALITE,
    SALT,
    TITANATE,
    MadeUpJudge,
    judged_by,
    reference_table,
    scoring,
)

DISORDERED = "data_x\n" + "".join(f"_cell_length_{axis} 4\n_cell_angle_{angle} 90\n" for axis, angle in
                                  zip("abc", ("alpha", "beta", "gamma"), strict=True)) + (
    "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
    "_atom_site_occupancy\nA Fe 0 0 0 0.5\nB Ni 0 0 0 0.5\nC O 0.5 0.5 0.5 1\n"
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A new crystal, its repeat, a known one, close atoms, an odd composition; three that cannot be read, and notes."""
    given = tmp_path / "given"
    given.mkdir()
    structures = {
        "a-new": TITANATE,
        "b-repeat": TITANATE * (1, 1, 2),
        "c-known": SALT,
        "d-close": Structure(Lattice.cubic(5), ["Fe", "Ni"], [[0, 0, 0], [0.09, 0, 0]]),
        "e-odd": Structure(Lattice.cubic(4), ["Na", "F", "F"], [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]]),
    }
    for name, structure in structures.items():
        structure.to(str(given / f"{name}.cif"), fmt="cif")
    (given / "f-cut.cif").write_text("data_x\n_cell_length_a 4.0\n")
    (given / "g-molecule.xyz").write_text("3\nwater\nO 0 0 0\nH 0 0 0.96\nH 0.93 0 -0.24\n")
    (given / "h-disordered.cif").write_text(DISORDERED)
    (given / "notes.txt").write_text("no structure\n")
    return given


@pytest.fixture
def judge(monkeypatch) -> MadeUpJudge:
    return judged_by(monkeypatch, MadeUpJudge())


def test_every_structure_has_a_row_with_the_reason_why_it_failed(folder, judge, tmp_path, capsys):
    reference = reference_table(tmp_path, SALT, HALITE)
    scores, out = score_files([folder], scoring(reference), tmp_path / "out")
    with open(out / "scores.csv", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert tuple(rows["a-new.cif"]) == COLUMNS and len(rows) == 8
    assert {id: (row["failed_at"], row["why"]) for id, row in rows.items()} == {
        "a-new.cif": ("", ""),
        "b-repeat.cif": ("unique", "it repeats a-new.cif"),
        "c-known.cif": ("new", "it is known as known-1"),
        "d-close.cif": ("valid", "two sites are 0.45 Å apart, at least 0.5 Å are asked for"),
        "e-odd.cif": ("valid", "no oxidation states add up to zero"),
        "f-cut.cif": ("read", rows["f-cut.cif"]["why"]),
        "g-molecule.xyz": ("read", 'the frame has no periodic cell: give Lattice="..." in its second line'),
        "h-disordered.cif": ("read", "a site holds Fe:0.5, Ni:0.5"),
    }
    assert scores.funnel == {"given": 8, "read": 5, "valid": 3, "unique": 2, "new": 1, "metastable": 1}
    said = capsys.readouterr()
    assert "notes.txt: left out, unknown format" in said.err and "given 8; read 5; valid 3" in said.out
    lines = [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == list(rows) and lines[0]["known"] is False
    known = next(line for line in lines if line["id"] == "c-known.cif")
    assert known["formation_energy_label"] == -2.1 and known["formation_energy_low"] == pytest.approx(-1.0 - 0.16449)
    summary = json.loads((out / "summary.json").read_text())
    found = {one["name"]: one for one in summary["metrics"]}
    assert found["valid"]["value"] == 3 / 8 and found["valid"]["count"] == 8 and found["unique"]["value"] == 2 / 3
    assert found["structure_valid"]["value"] == 4 / 8 and found["composition_valid"]["value"] == 4 / 8
    assert found["formation_energy_mae"]["value"] == pytest.approx(1.1) and found["formation_energy_mae"]["count"] == 1
    low, high = found["valid"]["interval"]
    assert 0 <= low < 3 / 8 < high <= 1 and all(one["definition"] for one in found.values())
    assert found["unique"]["interval"] is None
    assert summary["failed_at"] == {"unique": 1, "new": 1, "valid": 2, "read": 3}


def test_a_reference_without_energies_serves_by_its_structures(folder, judge, tmp_path):
    scores, _ = score_files([folder], scoring(reference_table(tmp_path, SALT, label=None)), tmp_path / "out")
    row = next(row for row in scores.rows if row["id"] == "c-known.cif")
    assert row["known"] and row["formation_energy_label"] is None
    assert next(one for one in scores.metrics if one.name == "formation_energy_mae").value is None


def test_a_killed_command_goes_on_with_what_is_missing(folder, judge, tmp_path, monkeypatch):
    settings = scoring(reference_table(tmp_path, SALT))
    monkeypatch.setattr(judged_rows, "KEPT_AFTER", 1)
    monkeypatch.setattr(judged_rows, "PIECE", 1)
    rows = judge.rows

    def killed(formulas, graphs):
        if len(judge.asked) == 3:
            raise KeyboardInterrupt
        return rows(formulas, graphs)

    monkeypatch.setattr(judge, "rows", killed)
    with pytest.raises(KeyboardInterrupt):
        score_files([folder], settings, tmp_path / "out")
    assert not (tmp_path / "out" / "scores.csv").exists()
    monkeypatch.setattr(judge, "rows", rows)
    again, _ = score_files([folder], settings, tmp_path / "out")
    assert len(judge.asked) == 5  # three before, two after
    whole, _ = score_files([folder], settings, tmp_path / "whole")
    assert again.rows == whole.rows and len(judge.asked) == 10
    other = scoring(reference_table(tmp_path, SALT, HALITE))
    score_files([folder], other, tmp_path / "out")
    assert len(judge.asked) == 15  # another reference: all anew


def test_several_calls_with_the_same_settings_read_the_known_crystals_once(judge, tmp_path, monkeypatch):
    read, sources = score_command.read_reference, []
    monkeypatch.setattr(score_command, "read_reference", lambda source: sources.append(source) or read(source))
    reference = reference_table(tmp_path, SALT)
    settings = scoring(reference)
    for name in ("one", "two"):
        SALT.to(str(tmp_path / f"{name}.cif"), fmt="cif")
        assert score_files([tmp_path / f"{name}.cif"], settings, tmp_path / name)[0].funnel["new"] == 0
    assert sources == [str(reference)]


def test_ids_that_two_rows_share_are_told_apart(judge, tmp_path):
    (tmp_path / "given").mkdir()
    table = reference_table(tmp_path / "given", SALT, HALITE)
    table.write_text(table.read_text().replace("known-2", "known-1"))
    scores, _ = score_files([table], scoring(reference_table(tmp_path, TITANATE)), tmp_path / "out")
    ids = [f"{table}/known-1#{number}" for number in (1, 2)]
    assert [(row["id"], row["formula"]) for row in scores.rows] == list(zip(ids, ("NaCl", "KCl"), strict=True))
    assert scores.rows[0]["formation_energy_label"] == -2.1  # the table's own


class MadeUpRelaxations:
    """Moves one of two sites by 0.2 Å in a cell that shrinks by a tenth; fails for chlorides."""

    method = Surrogate()

    def with_elements(self, structures, what):
        records = {}
        for name, structure in structures.items():
            final = structure.copy()
            final.translate_sites([0], [0.2, 0, 0], frac_coords=False)
            final.scale_lattice(0.9 * structure.volume)
            done = {"status": "converged", "reason": "", "energy_per_atom": -5.0, "final": structure_record(final)}
            records[name] = {"status": "exploded", "reason": "too far"} if "Cl" in structure.formula else done
        return records, {
            symbol: {"status": "converged", "energy_per_atom": -4.5} for symbol in ("Al", "Ni", "Na", "Cl")
        }


def test_relaxed_structures_have_an_energy_and_a_displacement(judge, tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    b2("Al", "Ni", 2.95).to(str(given / "alloy.cif"), fmt="cif")
    SALT.to(str(given / "salt.cif"), fmt="cif")
    settings = scoring(reference_table(tmp_path, TITANATE), SimpleNamespace(calculator=MadeUpRelaxations))
    scores, out = score_files([given], settings, tmp_path / "out")
    alloy, salt = scores.rows
    # half of the shift is drift of both sites; what is left shrinks with the cell
    assert alloy["displacement"] == pytest.approx(0.1 * 0.9 ** (1 / 3))
    assert (alloy["relaxation"], alloy["relaxed_formation_energy"]) == ("converged", -0.5)
    assert alloy["volume_percent"] == pytest.approx(-10)
    hull = alloy["formation_energy_per_atom"] - alloy["e_above_hull"]
    assert alloy["relaxed_e_above_hull"] == pytest.approx(-0.5 + 0.0367 - hull)  # CHGNet's mean error for AB
    assert alloy["relaxed_e_above_hull_high"] - alloy["relaxed_e_above_hull"] == pytest.approx(0.181)
    assert salt["relaxation"] == "exploded: too far" and salt["displacement"] is None
    assert salt["relaxed_e_above_hull"] is None
    assert (alloy["relaxation_method"], alloy["relaxed_file"]) == ("CHGNet", "relaxed/alloy.cif")
    assert (salt["relaxation_method"], salt["relaxed_file"]) == ("CHGNet", None)
    assert json.loads((out / "summary.json").read_text())["relaxation_method"] == "CHGNet"
    assert {one.name: one.value for one in scores.metrics}["relaxed"] == 0.5
    (out / "relaxed" / "own.cif").touch()
    assert (out / alloy["relaxed_file"]).exists()
    score_files([given], replace(settings, relaxation=None), out)
    assert [path.name for path in (out / "relaxed").iterdir()] == ["own.cif"]  # what is not of these scores went
    assert json.loads((out / "summary.json").read_text())["relaxation_method"] is None


def test_nothing_is_written_if_nothing_can_be_read(judge, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.cif").write_text("garbage\n")
    with pytest.raises(InputError, match="bad: no structure can be read"):
        score_files([tmp_path / "bad"], scoring(reference_table(tmp_path, SALT)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_and_a_missing_reference_get_a_sentence(folder, judge, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    out = str(tmp_path / "out")
    assert exit_code(main, ["score", str(tmp_path / "empty"), "--out", out]) == 2
    assert "empty has no structure file; give CIF" in capsys.readouterr().err
    assert exit_code(main, ["score", str(folder), "--reference", str(tmp_path / "none.csv"), "--out", out]) == 2
    error = capsys.readouterr().err
    assert "none.csv' does not exist" in error and "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_published_networks_and_a_page_that_opens_without_the_internet(folder, tmp_path, capsys):
    reference = reference_table(tmp_path, SALT, HALITE)
    assert exit_code(main, ["score", str(folder), "--reference", str(reference), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert "http" not in page.replace("http-equiv", "") and page.count("data:image/svg+xml") == 4
    for words in ("a-new.cif", "it is known as known-1", "a site holds Fe:0.5, Ni:0.5", "valid unique new metastable"):
        assert words in page
    assert capsys.readouterr().out.strip().endswith("index.html")


@pytest.mark.slow
def test_real_crystals_are_known_and_some_random_samples_are_new(shared, judge, tmp_path):
    with gzip.open(shared / "data" / "mp_cubic.csv.gz", "rt") as file:
        (tmp_path / "cubic.csv").write_text("".join(itertools.islice(file, 31)))
    cubic, _ = score_files([tmp_path / "cubic.csv"], scoring(tmp_path / "cubic.csv"), tmp_path / "one")
    assert cubic.funnel["read"] == 30 and cubic.funnel["unique"] > 20 and cubic.funnel["new"] == 0
    samples = sorted((ROOT / "results" / "published" / "full-mp_cubic" / "generate" / "cifs").glob("random-*.cif"))
    random, _ = score_files(samples, scoring("bases"), tmp_path / "two")
    assert random.funnel["read"] == random.funnel["given"] == len(samples)
    assert 0 < random.funnel["new"] < random.funnel["valid"]
