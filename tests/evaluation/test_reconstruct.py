"""python -m repro reconstruct: crystals through the published VAE and back, and what cannot be encoded."""

import csv
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from data_prep.crystal import file_name
from repro.__main__ import main
from tests.support.exit_code import exit_code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of a rock salt in its conventional cell, a hexagonal crystal and a file that is no CIF."""
    path = tmp_path_factory.mktemp("crystals")
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.81), ["Ca", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    zincite = Structure.from_spacegroup(
        "P6_3mc", Lattice.hexagonal(3.25, 5.2), ["Zn", "O"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.38]]
    )
    salt.to(filename=str(path / "salt.cif"))
    zincite.to(filename=str(path / "zincite.cif"))
    (path / "bad.cif").write_text("nothing")
    return path


@pytest.mark.slow
def test_a_crystal_comes_back_and_the_others_are_named(folder, tmp_path, capsys):
    assert exit_code(main, ["reconstruct", str(folder), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().err
    assert "bad.cif: left out, unreadable" in told and "zincite.cif: left out, not cubic" in told
    with open(tmp_path / "out/reconstruction.csv") as file:
        (row,) = csv.DictReader(file)
    assert row["formula"] == "CaO" and float(row["mse"]) < 0.05 and float(row["error_a"]) < 0.5
    decoded = Structure.from_file(tmp_path / "out" / row["file"])
    assert decoded.composition.reduced_formula == row["decoded_formula"]
    assert decoded.volume / len(decoded) == pytest.approx(4.81**3 / 8, rel=0.2)  # with its own angles (F2)
    assert (row["exact"] == "True") == (float(row["species_right"]) == 1 and int(row["delta_n"]) == 0)


@pytest.mark.slow
def test_the_basis_does_not_matter(tmp_path):
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.81), ["Ca", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    skewed = salt.get_primitive_structure().make_supercell([[1, 0, 0], [-1, 1, 0], [1, 0, 1]])
    salt.to(filename=str(tmp_path / "POSCAR"), fmt="poscar")
    Structure(skewed.lattice, skewed.species[::-1], skewed.frac_coords[::-1] + 0.43).to(
        str(tmp_path / "skewed.vasp"), fmt="poscar"
    )
    paths = [str(tmp_path / name) for name in ("POSCAR", "skewed.vasp")]
    assert exit_code(main, ["reconstruct", *paths, "--out", str(tmp_path / "out")]) == 0
    with open(tmp_path / "out/reconstruction.csv") as file:
        one, other = csv.DictReader(file)
    assert (one["id"], other["id"]) == ("POSCAR", "skewed.vasp")
    assert {name for name in one if one[name] != other[name]} == {"id", "file"}


@pytest.mark.slow
def test_files_with_one_name_in_here_leave_a_cif_each(tmp_path, monkeypatch):
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.81), ["Ca", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    for name in ("a/x.cif", "a_x.cif"):
        (tmp_path / "salts" / name).parent.mkdir(parents=True, exist_ok=True)
        salt.to(filename=str(tmp_path / "salts" / name))
    monkeypatch.chdir(tmp_path / "salts")
    assert exit_code(main, ["reconstruct", "."]) == 0
    with open("reconstructed-salts/reconstruction.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["a/x.cif", "a_x.cif"]
    written = {str(path) for path in Path("reconstructed-salts/cifs").iterdir()}
    assert written == {f"reconstructed-salts/{row['file']}" for row in rows} and len(written) == 2


@pytest.mark.slow
def test_nothing_that_can_be_encoded_is_a_users_mistake(folder, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("bad.cif", "zincite.cif"):
        (tmp_path / "in" / name).write_text((folder / name).read_text())
    assert exit_code(main, ["reconstruct", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 2
    *told, last = [line for line in capsys.readouterr().err.splitlines() if line]
    assert any(line.startswith("bad.cif: left out, unreadable") for line in told)
    assert any(line.startswith("zincite.cif: left out, not cubic") for line in told)
    assert last.startswith(f"{tmp_path / 'in'}: nothing can be encoded")
    assert not (tmp_path / "out").exists()


def test_files_of_frames_and_of_folders_have_names_of_their_own():
    names = {f"{file_name(id)}-NaCl.cif" for id in ("x.xyz#1", "x.xyz#2", "x.cif", "a/x.cif")}
    assert len(names) == 4 and "x.xyz#2-NaCl.cif" in names and "a_x.cif-NaCl.cif" in names
