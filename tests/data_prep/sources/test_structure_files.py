"""Structure files of a user's own: every format is read, and what cannot be read is named."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.quarantine import Rejected
from data_prep.sources.structure_files import read_structures
from data_prep.sources.table import read_table

CIF = """data_CsCl
_cell_length_a 4.12
_cell_length_b 4.12
_cell_length_c 4.12
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
_chemical_formula_sum 'Cs1 Cl1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cs1 Cs 0 0 0 1
Cl1 Cl 0.5 0.5 0.5 1
"""
POSCAR = """caesium chloride
1.0
4.12 0 0
0 4.12 0
0 0 4.12
Cs Cl
1 1
Direct
0 0 0
0.5 0.5 0.5
"""
CELL = 'Lattice="4.12 0 0 0 4.12 0 0 0 4.12" Properties=species:S:1:pos:R:3 pbc="T T T"'
XYZ = f"2\n{CELL}\nCs 0 0 0\nCl 2.06 2.06 2.06\n"
TABLE = "id,a,b,c,alpha,beta,gamma,species,frac\nmine,4.12,4.12,4.12,90,90,90,Cs Cl,0 0 0 0.5 0.5 0.5\n"


def read(folder: Path, name: str, text: str) -> tuple[list[Crystal], list[Rejected]]:
    (folder / name).write_text(text, encoding="utf-8")
    return read_structures(folder / name)


def refused(folder: Path, name: str, text: str) -> Rejected:
    """Read a file that holds nothing of use, and return the reason."""
    crystals, [only] = read(folder, name, text)
    assert crystals == [] and only.id == name
    return only


def assert_caesium_chloride(crystal: Crystal) -> None:
    assert (crystal.formula, crystal.numbers.tolist()) == ("CsCl", [55, 17])
    np.testing.assert_allclose(crystal.lengths, 4.12, atol=1e-9)
    np.testing.assert_allclose(crystal.angles, 90.0, atol=1e-9)
    np.testing.assert_allclose(crystal.fractional, [[0, 0, 0], [0.5, 0.5, 0.5]], atol=1e-9)
    assert np.isnan(crystal.formation_energy_per_atom)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cscl.cif", CIF),
        ("CSCL.CIF", CIF),
        ("POSCAR", POSCAR),
        ("POSCAR_relaxed", POSCAR),
        ("CONTCAR", POSCAR),
        ("cscl.vasp", POSCAR),
        ("cscl.xyz", XYZ),
        ("cscl.extxyz", XYZ),
    ],
)
def test_every_format_gives_the_same_crystal_under_its_file_name(tmp_path, name, text):
    [crystal], rejected = read(tmp_path, name, text)
    assert rejected == [] and crystal.id == name
    assert_caesium_chloride(crystal)


def test_cartesian_poscars_with_a_scale_and_frozen_atoms_are_read(tmp_path):
    text = POSCAR.replace("1.0\n", "2.0\n", 1).replace("4.12", "2.06")
    text = text.replace("Direct", "Selective dynamics\nCartesian")
    text = text.replace("0 0 0\n0.5 0.5 0.5", "0 0 0 T T T\n1.03 1.03 1.03 F F F")
    [crystal], rejected = read(tmp_path, "POSCAR", text)
    assert rejected == []
    assert_caesium_chloride(crystal)


def test_three_scales_multiply_cartesian_sites_as_well(tmp_path):
    unit = POSCAR.replace("4.12", "1").replace("Direct", "Cartesian")
    [crystal], rejected = read(tmp_path, "POSCAR", unit.replace("1.0\n", "4.12 4.12 4.12\n", 1))
    assert rejected == []
    assert_caesium_chloride(crystal)
    [crystal], _ = read(tmp_path, "POSCAR", unit.replace("1.0\n", "3 4 5\n", 1).replace("0.5 0.5 0.5", "0.5 0.25 0.1"))
    np.testing.assert_allclose(crystal.lengths, [3, 4, 5])
    np.testing.assert_allclose(crystal.fractional[1], [0.5, 0.25, 0.1], atol=1e-12)


def test_a_cell_is_taken_as_it_is(tmp_path):
    doubled = POSCAR.replace("4.12 0 0", "8.24 0 0").replace("1 1\n", "2 2\n")
    sites = "0 0 0\n0.5 0 0\n0.25 0.5 0.5\n0.75 0.5 0.5"
    [crystal], _ = read(tmp_path, "POSCAR", doubled.replace("0 0 0\n0.5 0.5 0.5", sites))
    assert crystal.n_sites == 4 and crystal.lengths.tolist() == pytest.approx([8.24, 4.12, 4.12])


def test_the_frames_of_an_extended_xyz_are_numbered(tmp_path):
    copper = f"1\n{CELL.replace('4.12', '2.55')}\nCu 0 0 0\n"
    overlapping = XYZ.replace("2.06 2.06 2.06", "0.05 0 0")
    crystals, rejected = read(tmp_path, "path.xyz", XYZ + overlapping + copper)
    assert [(crystal.id, crystal.formula) for crystal in crystals] == [("path.xyz#1", "CsCl"), ("path.xyz#3", "Cu")]
    assert [(item.id, item.reason) for item in rejected] == [("path.xyz#2", "overlapping_sites")]
    assert rejected[0].detail == "sites 0 and 1 are 0.050 Å apart"


@pytest.mark.parametrize(
    ("second_line", "problem"),
    [
        ("a molecule", 'the frame has no periodic cell: give Lattice="..." in its second line'),
        (
            CELL.replace("T T T", "T T F"),
            "line 2 says that the cell is not periodic along c (pbc): a slab or a molecule, ",
        ),
    ],
)
def test_a_frame_that_is_no_crystal_is_told_what_it_lacks(tmp_path, second_line, problem):
    only = refused(tmp_path, "molecule.xyz", XYZ.replace(CELL, second_line))
    assert only.reason == "degenerate_cell" and only.detail.startswith(problem)


@pytest.mark.parametrize("name", ["mine.csv", "mine.csv.gz", "mine.parquet", "MINE.CSV", "MINE.CSV.GZ", "MINE.PARQUET"])
def test_a_table_needs_no_formation_energy(tmp_path, name):
    path = tmp_path / name
    if name.lower().endswith(".parquet"):
        columns = dict(a=4.12, b=4.12, c=4.12, alpha=90.0, beta=90.0, gamma=90.0, species="Cs Cl")
        pd.DataFrame([{"id": "mine", **columns, "frac": [0, 0, 0, 0.5, 0.5, 0.5]}]).to_parquet(path)
    else:
        path.write_bytes(gzip.compress(TABLE.encode()) if name.lower().endswith(".gz") else TABLE.encode())
    [crystal], rejected = read_structures(path)
    assert rejected == [] and crystal.id == "mine"
    assert_caesium_chloride(crystal)


def test_rows_of_a_table_that_cannot_be_read_are_named(tmp_path):
    rows = "worse,4,4,4,90,90,90,Cs Qq,0 0 0 0.5 0.5 0.5\nheavy,4,4,4,90,90,90,D,0 0 0\n"
    rows += "short,4,4,4,90,90,90,Cs Cl,0 0\n"
    crystals, rejected = read(tmp_path, "mine.csv", TABLE + rows)
    assert [crystal.id for crystal in crystals] == ["mine"]
    reasons = {item.id: item.reason for item in rejected}
    assert reasons == {"worse": "unknown_element", "heavy": "isotope", "short": "unreadable"}


@pytest.mark.parametrize("column", ["id", "a", "species", "formula", "band_gap"])
def test_a_list_in_a_cell_of_parquet_is_a_row_left_out(tmp_path, column):
    row = dict(id="mine", a=4.12, b=4.12, c=4.12, alpha=90.0, beta=90.0, gamma=90.0, species="Cs Cl", formula="CsCl")
    row |= {"frac": [0, 0, 0, 0.5, 0.5, 0.5], "band_gap": 5.0, "formation_energy_per_atom": -2.0}
    pd.DataFrame([row | {column: [1.0, 2.0]}]).to_parquet(tmp_path / "mine.parquet")
    crystals, [only] = read_table(tmp_path / "mine.parquet")
    assert crystals == [] and only.reason == "unreadable" and "1." in only.detail
    crystals, rejected = read_structures(tmp_path / "mine.parquet")
    left_out = [] if column == "band_gap" else ["unreadable"]  # a property is not asked for there
    assert len(crystals) == 1 - len(left_out) and [item.reason for item in rejected] == left_out


def test_labels_and_properties_that_are_no_numbers_cost_no_structure(tmp_path):
    cells = TABLE.replace("frac", "frac,spacegroup,band_gap,formation_energy_per_atom")
    cells = cells.replace("0.5\n", "0.5,Pm-3m,wide,unknown\n")
    [crystal], rejected = read(tmp_path, "mine.csv", cells)
    assert rejected == [] and crystal.id == "mine" and crystal.properties == {}
    assert_caesium_chloride(crystal)
    structures = pd.DataFrame(
        [{"id": "mine", "poscar": POSCAR, "spacegroup": "Pm-3m", "formation_energy_per_atom": "?"}]
    )
    structures.to_json(tmp_path / "mine.json", orient="split", index=False)
    structures.to_csv(tmp_path / "mine.csv", index=False)
    for name in ("mine.json", "mine.csv"):
        [crystal], rejected = read_structures(tmp_path / name)
        assert rejected == [] and crystal.id == "mine" and crystal.properties == {}
        assert_caesium_chloride(crystal)


BAD = {
    "empty.cif": ("unreadable", ""),
    "letter.cif": ("unreadable", "this is a letter, not a crystal"),
    "cut.cif": ("composition_mismatch", CIF[: CIF.index("Cl1 Cl")]),
    "heavy.cif": ("isotope", CIF.replace("Cl1 Cl", "D1 D").replace("Cs1 Cl1", "Cs1 D1")),
    "partial.cif": ("disordered", CIF.replace("0.5 0.5 0.5 1", "0.5 0.5 0.5 0.5")),
    "shared.cif": ("disordered", CIF.replace("0 0 0 1", "0 0 0 0.5\nK1 K 0 0 0 0.5")),
    "near.cif": ("overlapping_sites", CIF.replace("0.5 0.5 0.5", "0.02 0 0")),
    "nowhere.cif": ("degenerate_cell", CIF.replace("4.12", "nan")),
    "flat.vasp": ("degenerate_cell", POSCAR.replace("0 0 4.12", "0 0 0.1")),
    "POSCAR": ("unreadable", ""),
    "POSCAR_cut": ("unreadable", POSCAR[: POSCAR.index("0.5 0.5")]),
    "POSCAR_counted_twice": ("unreadable", POSCAR.replace("1 1\n", "1 1\n1 1\n")),
    "POSCAR_less_than_none": ("unreadable", POSCAR.replace("1 1\n", "1 -1\n")),
    "POSCAR_heavy": ("isotope", POSCAR.replace("Cs Cl", "Cs D")),
    "CONTCAR": ("overlapping_sites", POSCAR.replace("0.5 0.5 0.5", "0.99 0 0")),
    "CONTCAR_strange": ("unknown_element", POSCAR.replace("Cs Cl", "Cs Qq")),
    "cut.xyz": ("unreadable", XYZ[: XYZ.index("Cl")]),
    "endless.xyz": ("unreadable", "9" * 30 + XYZ[1:]),  # read to its number, it would never end
    "CONTCAR_unequal": ("unreadable", POSCAR.replace("Cs Cl", "Lattice= Cl")),
    "strange.xyz": ("unknown_element", XYZ.replace("Cl", "X")),
    "nan.xyz": ("non_finite_coordinates", XYZ.replace("2.06 2.06 2.06", "nan 2.06 2.06")),
    "none.xyz": ("no_sites", f"0\n{CELL}\n"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_of_no_use_is_named_with_its_reason(tmp_path, name):
    reason, text = BAD[name]
    only = refused(tmp_path, name, text)
    assert only.reason == reason
    assert only.detail and "\n" not in only.detail


def test_bad_files_of_a_folder_do_not_stop_the_others(tmp_path):
    good = {"good.cif": CIF, "CONTCAR.relaxed": POSCAR, "good.vasp": POSCAR, "good.xyz": XYZ + XYZ, "good.csv": TABLE}
    others = {"README.md": "notes", "INCAR": "ENCUT = 520", "OUTCAR": "", "figure.png": ""}
    for name, text in (good | others | {name: text for name, (_, text) in BAD.items()}).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "binary.cif").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "folder.cif").mkdir()
    crystals, rejected = read_structures(tmp_path)
    ids = ["CONTCAR.relaxed", "good.cif", "mine", "good.vasp", "good.xyz#1", "good.xyz#2"]  # by file name
    assert [crystal.id for crystal in crystals] == ids
    for crystal in crystals:
        assert_caesium_chloride(crystal)
    expected = {name: reason for name, (reason, _) in BAD.items()} | {"binary.cif": "unreadable"}
    expected |= dict.fromkeys(others, "unknown_format")
    assert {item.id: item.reason for item in rejected} == expected


def test_a_path_that_leads_to_no_structure_is_one_sentence(tmp_path):
    formats = r"give (a file or a folder of )?CIF \(\.cif, \.mcif\), POSCAR .*\.zip of them\.$"
    with pytest.raises(InputError, match=rf"gone\.cif does not exist; {formats}"):
        read_structures(tmp_path / "gone.cif")
    with pytest.raises(InputError, match=rf"notes\.txt is of no known format; {formats}"):
        read(tmp_path, "notes.txt", CIF)
    with pytest.raises(InputError, match=rf"{tmp_path.name} has no structure file; {formats}"):
        read_structures(tmp_path)


def test_a_table_of_something_else_is_a_file_left_out(tmp_path):
    only = refused(tmp_path, "mine.csv", TABLE.replace("frac", "sites"))
    assert only.reason == "unreadable" and "lacks the column frac; add what is missing" in only.detail
    assert refused(tmp_path, "empty.csv", "").reason == "unreadable"


def test_a_table_row_with_overlapping_sites_is_left_out(tmp_path):
    crystals, [only] = read(tmp_path, "mine.csv", TABLE.replace("0.5 0.5 0.5", "0.001 0 0"))
    assert crystals == [] and (only.id, only.reason) == ("mine", "overlapping_sites")


def test_a_poscar_without_symbols_is_not_given_elements(tmp_path):
    only = refused(tmp_path, "POSCAR", POSCAR.replace("Cs Cl\n", ""))
    assert only.reason == "unknown_element" and "symbols" in only.detail


def test_sound_frames_before_a_damaged_one_are_kept(tmp_path):
    copper = f"1\n{CELL}\nCu 0 0 0\n"
    crystals, rejected = read(tmp_path, "path.xyz", copper + "1\nno cell\nCu 0 0 0\n" + copper.replace("Cu", "D"))
    assert [crystal.id for crystal in crystals] == ["path.xyz#1"]
    assert [(item.id, item.reason) for item in rejected] == [
        ("path.xyz#2", "degenerate_cell"),
        ("path.xyz#3", "isotope"),
    ]
    assert refused(tmp_path, "empty.xyz", "").reason == "no_sites"


def test_sound_frames_before_one_that_was_cut_are_kept(tmp_path):
    copper = f"1\n{CELL}\nCu 0 0 0\n"
    crystals, rejected = read(tmp_path, "path.xyz", copper + copper.replace("1\n", "3\n", 1))
    assert [crystal.id for crystal in crystals] == ["path.xyz#1"]
    assert [(item.id, item.reason) for item in rejected] == [("path.xyz#2", "unreadable")]
    assert "3 sites, but 1 lines" in rejected[0].detail
