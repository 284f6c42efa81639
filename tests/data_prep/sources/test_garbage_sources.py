"""Garbage in the files that crystals come from: every fault has its reason or its sentence, none a traceback."""

import gzip
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.quarantine import Rejected, screen
from data_prep.sources import read_source
from data_prep.sources.cif_folder import read_cif
from data_prep.sources.structure_files import read_structures
from data_prep.sources.table import read_table
from tests.support.damage import damaged, damaged_text
from tests.support.inputs import inputs

CIF = """data_h
_cell_length_a 5.95
_cell_length_b 5.95
_cell_length_c 5.95
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_chemical_formula_sum 'Cu2 Mn Al'
loop_
_symmetry_equiv_pos_as_xyz
'x, y, z'
'x, y+1/2, z+1/2'
'x+1/2, y, z+1/2'
'x+1/2, y+1/2, z'
'-x, -y, -z'
'-x, -y+1/2, -z+1/2'
'-x+1/2, -y, -z+1/2'
'-x+1/2, -y+1/2, -z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0.25 0.25 0.25 1
Mn1 Mn 0.5 0.5 0.5 1
Al1 Al 0 0 0 1
"""
CIF_WORDS = ["loop_", "data_", "?", ".", "nan", "1e400", "-1", "0", "'", "0.25(3)", "x,y,z", "P 1", "Cu0.5", "O-2", ";"]
POSCAR = "CsCl\n1.0\n4.1 0 0\n0 4.1 0\n0 0 4.1\nCs Cl\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"
XYZ = '2\nLattice="4.1 0 0 0 4.1 0 0 0 4.1" Properties=species:S:1:pos:R:3 pbc="T T T"\nCs 0 0 0\nCl 2.05 2.05 2.05\n'
XYZ_WORDS = ["F", "nan", "-1", "0", "9" * 30, "Lattice=", "species:S:2", "Xx", "1e400", "Direct", "Cartesian", "T"]
USERS_FILES = [("POSCAR", POSCAR), ("it.extxyz", XYZ), ("it.cif", CIF)]
ROWS = {
    "id": ["a", "b"],
    "a": [4.1, 3.9],
    "b": [4.1, 3.9],
    "c": [4.1, 3.9],
    "alpha": [90.0, 60.0],
    "beta": [90.0, 60.0],
    "gamma": [90.0, 60.0],
    "species": ["Cs Cl", "Na Cl"],
    "frac": ["0 0 0 0.5 0.5 0.5", "0 0 0 0.5 0.5 0.5"],
    "formation_energy_per_atom": [-1.0, -2.0],
    "spacegroup": [221, 225],
}


def sound(crystals, rejected) -> int:
    """Check what a source gave: crystals that a screen takes or names, and reasons for the others.

    Returns the number of crystals that the screen takes, with or without a label.
    """
    assert all(isinstance(item, Rejected) and item.reason and item.detail for item in rejected)
    for crystal in crystals:
        assert isinstance(crystal, Crystal)
        assert crystal.fractional.shape == (crystal.n_sites, 3) and crystal.lengths.shape == (3,)
    kept, others = screen(crystals, require_label=False, may_be_empty=True)
    assert len(kept) + len(others) == len(crystals)
    assert all(np.isfinite(crystal.fractional).all() and crystal.lengths.min() > 0 for crystal in kept)
    return len(kept)


@pytest.mark.parametrize("cell", ["primitive", "conventional"])
@inputs(0.5)
@given(text=damaged_text(CIF, CIF_WORDS))
def test_a_damaged_cif_is_a_crystal_or_has_a_reason(tmp_path_factory, cell, text):
    path = tmp_path_factory.mktemp("cif") / "it.cif"
    path.write_text(text, encoding="utf-8")
    found = read_cif((path, -1.0, {}), cell)
    sound(*(([found], []) if isinstance(found, Crystal) else ([], [found])))


@inputs(0.25)
@given(data=st.data())
def test_a_folder_of_garbage_is_sorted_out(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cifs")
    names = [f"{place}.cif" for place in range(data.draw(st.integers(1, 3)))]
    for name in names:
        (folder / name).write_bytes(data.draw(damaged(CIF.encode())))
    table = "file,formation_energy_per_atom,band_gap\n" + "".join(f"{name},-1.0,0.5\n" for name in names)
    (folder / "properties.csv").write_bytes(data.draw(st.just(table.encode()) | damaged(table.encode())))
    try:
        sound(*read_source(str(folder), folder))
    except InputError as error:
        assert folder.name in str(error)


def table_bytes(suffix: str) -> bytes:
    frame = pd.DataFrame(ROWS)
    if suffix == ".parquet":
        buffer = io.BytesIO()
        frame.to_parquet(buffer)
        return buffer.getvalue()
    text = frame.to_csv(index=False).encode()
    return gzip.compress(text, mtime=0) if suffix == ".csv.gz" else text


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
@inputs(0.5)
@given(data=st.data())
def test_a_damaged_table_gives_crystals_reasons_or_a_sentence(tmp_path_factory, suffix, data):
    path = tmp_path_factory.mktemp("table") / f"crystals{suffix}"
    path.write_bytes(data.draw(damaged(table_bytes(suffix))))
    try:
        sound(*read_table(path))
    except InputError as error:
        assert path.name in str(error)


@pytest.mark.parametrize(("name", "text"), USERS_FILES)
@inputs(0.5)
@given(data=st.data())
def test_a_damaged_structure_of_the_user_is_read_or_left_out_with_a_reason(tmp_path_factory, name, text, data):
    path = tmp_path_factory.mktemp("structure") / name
    words = CIF_WORDS if name == "it.cif" else XYZ_WORDS
    path.write_bytes(data.draw(damaged_text(text, words).map(lambda it: it.encode()) | damaged(text.encode())))
    sound(*read_structures(path))


@pytest.mark.parametrize(("cell", "sites"), [("primitive", 4), ("conventional", 16)])
def test_the_undamaged_cif_is_a_crystal(tmp_path, cell, sites):
    (tmp_path / "it.cif").write_text(CIF)
    found = read_cif((tmp_path / "it.cif", -1.0, {}), cell)
    assert isinstance(found, Crystal) and (found.formula, found.n_sites) == ("MnAlCu2", sites)
    assert sound([found], []) == 1


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_all_rows_of_the_undamaged_table_are_crystals(tmp_path, suffix):
    (tmp_path / f"crystals{suffix}").write_bytes(table_bytes(suffix))
    crystals, rejected = read_table(tmp_path / f"crystals{suffix}")
    assert sound(crystals, rejected) == 2 and not rejected


@pytest.mark.parametrize(("name", "text"), USERS_FILES)
def test_every_undamaged_structure_of_the_user_is_a_crystal(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    crystals, rejected = read_structures(tmp_path / name)
    assert sound(crystals, rejected) == 1 and not rejected
