"""Ids of structures from several files: what would share one gets its path, and nothing else changes its name."""

import csv
import io
from pathlib import Path

import ase.db
import pytest
from ase import Atoms

from data_prep.errors import InputError
from data_prep.sources.structure_files import read_structures, require_whole
from tests.data_prep.sources.test_folders_and_rows import ids, write
from tests.data_prep.sources.test_input_kinds import CIF, POSCAR, XYZ


def rows(*cells: str, **columns: str) -> str:
    """Return a CSV with a column ``cif`` of the given texts and further columns with one value each."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["cif", *columns], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"cif": cell, **columns} for cell in cells)
    return text.getvalue()


def frames(*names: str) -> str:
    return "".join(XYZ.replace(" pbc", f" id={name} pbc") for name in names)


def test_rows_and_frames_of_several_files_of_a_folder_have_their_paths(tmp_path):
    write(tmp_path, {"a.csv": rows(CIF), "b/b.csv": rows(CIF, "nothing"), "c.csv": rows(CIF, id="mine")})
    write(tmp_path, {"d.extxyz": frames("one", "two"), "e.extxyz": frames("one", "three")})
    crystals, [only] = read_structures(tmp_path)
    expected = ["a.csv/row 1", "b/b.csv/row 1", "mine", "d.extxyz/one", "two", "e.extxyz/one", "three"]
    assert ids(crystals) == expected and only.id == "row 2"
    (tmp_path / "a.csv").write_text(rows("nothing"))
    crystals, rejected = read_structures(tmp_path)
    assert "row 1" in ids(crystals) and [item.id for item in rejected] == ["a.csv/row 1", "row 2"]


def test_rows_of_several_databases_have_their_paths(tmp_path):
    for name in ("a.db", "b.db"):
        with ase.db.connect(tmp_path / name) as database:
            database.write(Atoms("Cu", cell=[2.5] * 3, pbc=True))
    crystals, rejected = read_structures(tmp_path)
    assert ids(crystals) == ["a.db/1", "b.db/1"] and rejected == []
    crystals, _ = read_structures([tmp_path / "a.db", tmp_path / "b.db"])
    assert ids(crystals) == [f"{tmp_path}/a.db/1", f"{tmp_path}/b.db/1"]


def test_what_shares_even_its_path_is_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(Path(), {"POSCAR": POSCAR, "in/POSCAR": POSCAR, "t.csv": rows(CIF, CIF, id="x")})
    assert ids(read_structures([Path("POSCAR")] * 3)[0]) == ["POSCAR#1", "POSCAR#2", "POSCAR#3"]
    given = [Path("in"), Path("POSCAR"), Path("in"), Path("t.csv")]
    expected = ["in/POSCAR#1", "POSCAR", "in/POSCAR#2", "t.csv/x#1", "t.csv/x#2"]
    assert ids(read_structures(given)[0]) == expected


def test_a_candidate_keeps_its_id_beside_other_structures_of_it(tmp_path):
    listed = {"candidates.csv": "id,file\nmine,cifs/1.cif\n", "cifs/1.cif": CIF}
    write(tmp_path, listed | {"a.extxyz": frames("mine", "other"), "b.csv": rows(CIF, id="mine")})
    assert ids(read_structures(tmp_path)[0]) == ["a.extxyz/mine", "other", "b.csv/mine", "mine"]


def test_a_damaged_file_is_known_by_its_path(tmp_path):
    write(tmp_path, {"a/x.xyz": XYZ + "and then", "b/x.xyz": XYZ + "and then", "y.xyz": XYZ})
    paths = [tmp_path / name for name in ("a/x.xyz", "b/x.xyz", "y.xyz")]
    crystals, rejected = read_structures(paths)
    assert ids(crystals) == [f"{paths[0]}#1", f"{paths[1]}#1", "y.xyz"]
    assert [item.id for item in rejected] == [f"{paths[0]}#2", f"{paths[1]}#2"]
    require_whole(paths[2:], [])
    with pytest.raises(InputError, match=r"a/x\.xyz was not read as a whole, see above \(left out: 1\)"):
        require_whole(paths, rejected)
