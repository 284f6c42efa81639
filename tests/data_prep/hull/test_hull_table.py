"""The table of a hull: the committed one, building one, and what is wrong with it or with its source."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pymatgen.core import Composition

from data_prep.crystal import crystal_from_structure
from data_prep.errors import InputError
from data_prep.hull import CARD, FOLDER, known_phases
from data_prep.hull.__main__ import GENERATION, main
from data_prep.hull.convex_hull import Phase
from data_prep.hull.known_phases import WITNESSES, require_same_energies, without_doubted
from data_prep.hull.table import MANIFEST, SYSTEMS, VERTICES, load_hull
from tests.support.exit_code import exit_code
from tests.support.structure_types import rock_salt

HEADER = "id,a,b,c,alpha,beta,gamma,species,frac,formation_energy_per_atom,ef_source"
CELL = "4.2,4.2,4.2,90,90,90"


def table(path: Path, rows: list[tuple[str, float, str]]) -> Path:
    """Write a table of two-atom crystals: species, formation energy, where the label is from."""
    lines = [
        f"{number},{CELL},{species},{' '.join(['0'] * 3 + ['0.5'] * 3)},{energy},{label}"
        for number, (species, energy, label) in enumerate(rows)
    ]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def test_the_committed_table_is_small_and_whole():
    assert sum((FOLDER / name).stat().st_size for name in (VERTICES, SYSTEMS)) < 500_000
    hull, manifest = load_hull(), json.loads((FOLDER / MANIFEST).read_text())
    assert len(hull.phases) == manifest["vertices"] and len(hull.systems) == manifest["systems"]
    assert len(hull.elements) == manifest["elements"] >= 84
    assert manifest["label_generation"] == GENERATION and "CC-BY-4.0" in manifest["licence"]
    card = CARD.read_text()
    assert all(sha256 in card for sha256 in manifest["sha256"].values()) and "Jain et al." in card
    point = hull.at(Composition("SrTiO3"))
    assert point.decomposition() == "SrTiO3" and point.covered and point.energy == pytest.approx(-3.57, abs=0.05)


def test_a_table_is_made_of_the_lowest_energies_and_read_again(tmp_path, capsys):
    rows = [("Na Cl", -2.1, "a"), ("Na Cl", -2.0, "a"), ("K Cl", -2.2, "a"), ("Na K", 0.3, "a"), ("Na Na", 0.02, "a")]
    source, out = table(tmp_path / "own.csv", rows), tmp_path / "hull"
    assert exit_code(main, [str(source), "--generation", "our own", "--out", str(out)]) == 0
    assert "5 of them are stable, 6 systems" in capsys.readouterr().out
    hull = load_hull(out)
    assert {phase.formula: phase.energy for phase in hull.phases} == {
        "Cl2": 0,
        "K": 0,
        "Na": 0,
        "KCl": -2.2,
        "NaCl": -2.1,
    }
    assert hull.name == "the hull of our own" and {phase.id for phase in hull.phases} == {"", "0", "2"}
    mixed = hull.at(Composition("NaK"))
    assert mixed.covered and mixed.energy == 0 and mixed.decomposition() == "K + Na"
    assert exit_code(main, [str(source), "--generation", "our own", "--out", str(tmp_path / "again")]) == 0
    assert (out / VERTICES).read_bytes() == (tmp_path / "again" / VERTICES).read_bytes()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [("Na Cl", -2.1, "mp_2020_by_id"), ("K Cl", -2.2, "mp_2021_corrections")],
            "mixes two generations of energies",
        ),
        ([("K Cl", -2.2, "mp_2021_corrections")], "other_label_generation"),
        ([("K Cl", "", "none")], "has no formation energies"),
        ([("Na Na", -1.3, "mp_2020_by_id")], "the element Na has a formation energy of -1.300 eV/atom, but it is 0"),
    ],
)
def test_a_source_of_other_energies_is_refused(rows, said, tmp_path, capsys):
    source = table(tmp_path / "bad.csv", rows)
    assert exit_code(main, [str(source), "--out", str(tmp_path / "hull")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "hull").exists()


def test_energies_of_another_generation_are_known_by_their_values():
    known = load_hull()
    oxides = [phase for phase in known.phases if "O" in phase.counts and len(phase.counts) > 1][:200]
    require_same_energies(oxides, known, "same.csv", GENERATION)
    shifted = [replace(phase, energy=phase.energy - 0.1) for phase in oxides]
    with pytest.raises(InputError, match="later.csv has energies of another generation than .* 200 compounds"):
        require_same_energies(shifted, known, "later.csv", GENERATION)
    half = [*shifted[:100], *oxides[100:]]
    with pytest.raises(InputError, match="one in ten differs by 0.10 eV/atom"):
        require_same_energies(half, known, "mixed.csv", GENERATION)


def test_a_table_that_cannot_be_written_is_a_sentence(tmp_path, capsys):
    source = table(tmp_path / "a.csv", [("Na Cl", -2.1, "a")])
    (tmp_path / "hull" / VERTICES).mkdir(parents=True)
    assert exit_code(main, [str(source), "--generation", "our own", "--out", str(tmp_path / "hull")]) == 2
    said = capsys.readouterr().err
    assert said == f"{tmp_path / 'hull' / VERTICES} could not be read or written: Is a directory.\n"


def test_the_packaged_table_keeps_its_generation(tmp_path, capsys):
    assert exit_code(main, [str(table(tmp_path / "a.csv", [("Na Cl", -2.1, "a")])), "--generation", "our own"]) == 2
    assert "needs --out" in capsys.readouterr().err


@pytest.fixture
def copy(tmp_path) -> Path:
    folder = tmp_path / "hull"
    folder.mkdir()
    for name in (VERTICES, SYSTEMS, MANIFEST):
        shutil.copyfile(FOLDER / name, folder / name)
    return folder


def test_a_table_cut_in_half_is_refused(copy):
    whole = (copy / VERTICES).read_bytes()
    (copy / VERTICES).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="vertices.csv.gz is not whole: its checksum is not that of manifest.json"):
        load_hull(copy)


def test_a_missing_or_foreign_table_is_named(copy, tmp_path):
    with pytest.raises(InputError, match="manifest.json is not there"):
        load_hull(tmp_path / "nowhere")
    (copy / SYSTEMS).unlink()
    with pytest.raises(InputError, match="systems.csv.gz is not whole"):
        load_hull(copy)
    (copy / MANIFEST).write_text("{}")
    with pytest.raises(InputError, match="holds no table of a hull .*KeyError"):
        load_hull(copy)


def test_a_label_that_many_stable_compounds_contradict_is_left_out():
    elements = [Phase(symbol, 0.0) for symbol in ("Sb", "Te", *"KVWYUB")]
    wrong = Phase("Sb2Te3", -1.1, "wrong")
    others = [Phase(f"{symbol}SbTe2", -0.3, symbol) for symbol in "KVWYUB"]
    stable = {phase.id for phase in others}
    assert without_doubted([*elements, wrong, *others], stable) == [*elements, *others]
    few = others[: WITNESSES - 1]
    assert wrong in without_doubted([*elements, wrong, *few], stable)
    assert wrong in without_doubted([*elements, wrong, *others], set())


def test_a_crystal_that_its_source_has_far_above_the_hull_is_no_vertex(monkeypatch):
    crystals = [rock_salt("Na", "Cl", 5.6), rock_salt("K", "Cl", 6.3)]
    labelled = [
        replace(crystal_from_structure(one, str(row), -2.0), properties={"e_above_hull_2018": above})
        for row, (one, above) in enumerate(zip(crystals, (0.0, 1.9), strict=True))
    ]
    monkeypatch.setattr(known_phases, "read_source", lambda source: (labelled, []))
    found = known_phases.known_phases("made up", "made up")
    assert [phase.formula for phase in found.phases] == ["Cl2", "Na", "NaCl"]
    assert frozenset(("K", "Cl")) in found.systems  # something is known there all the same
