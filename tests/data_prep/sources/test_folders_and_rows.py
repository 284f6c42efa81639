"""Folders, archives and tables as users keep them: every file and row is read or named, under the id that it has."""

import gzip
import json
import shutil
import zipfile
from pathlib import Path

import ase.db
import pandas as pd
import pytest
from ase import Atoms
from ase.constraints import FixAtoms
from pymatgen.core import Structure

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.sources import read_source
from data_prep.sources.structure_files import read_structures
from tests.data_prep.sources.test_input_kinds import CIF, POSCAR, XYZ
from tests.support.structure_types import rock_salt

PLAIN = "id,a,b,c,alpha,beta,gamma,species,frac\n{},4.12,4.12,4.12,90,90,90,Cs Cl,0 0 0 0.5 0.5 0.5\n"
SALT = rock_salt("Na", "Cl", 5.64)


def ids(found: list[Crystal]) -> list[str]:
    return [crystal.id for crystal in found]


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def source(path: Path, cell: str = "primitive"):
    return read_source(str(path), path.parent, cell)


def test_nothing_of_a_folder_is_passed_over(tmp_path):
    kept = {
        "NaCl_POSCAR": POSCAR,
        "a.mcif": CIF,
        "b/c/CONTCAR": POSCAR,
        "b/d.vasp": POSCAR,
        "e.xyz": XYZ,
        "z.POSCAR": POSCAR,
    }
    write(tmp_path, kept | {"notes.txt": "", "b/OUTCAR": "", ".hidden.cif": "", "__MACOSX/a.cif": ""})
    (tmp_path / "f.cif.gz").write_bytes(gzip.compress(CIF.encode()))
    (tmp_path / "g.cif.gz").write_bytes(gzip.compress(CIF.encode())[:-9])
    SALT.to(str(tmp_path / "s.json"))
    crystals, rejected = read_structures(tmp_path)
    assert ids(crystals) == [*sorted([*kept, "f.cif.gz", "s.json"])]
    assert {crystal.formula for crystal in crystals} == {"NaCl"}
    reasons = {item.id: item.reason for item in rejected}
    assert reasons == {"notes.txt": "unknown_format", "b/OUTCAR": "unknown_format", "g.cif.gz": "unreadable"}


def test_an_archive_is_read_as_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name, text in {"in/a.cif": CIF, "POSCAR": POSCAR, "b.cif": "", "more.zip": ""}.items():
            archive.writestr(name, text)
    crystals, rejected = read_structures(tmp_path / "all.zip")
    assert ids(crystals) == ["all.zip/POSCAR", "all.zip/in/a.cif"]
    reasons = {item.id: item.reason for item in rejected}
    assert reasons == {"all.zip/b.cif": "unreadable", "all.zip/more.zip": "unknown_format"}
    whole = (tmp_path / "all.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:200])
    crystals, [only] = read_structures(tmp_path / "cut.zip")
    assert crystals == [] and (only.id, only.reason) == ("cut.zip", "unreadable")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.sources.structure_files.LARGEST_FILE", 2**20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.cif", "#" * 3 * 2**20)
    crystals, [only] = read_structures(tmp_path / "bomb.zip")
    assert crystals == [] and (only.reason, only.detail) == ("too_large", "it unpacks to 3 MiB, at most 1 are read")


def test_several_paths_are_read_in_their_order(tmp_path):
    write(tmp_path, {"a/x.cif": CIF, "b/x.cif": CIF, "b/y.cif": CIF, "x.cif": CIF})
    crystals, rejected = read_structures([tmp_path / "b", tmp_path / "a", tmp_path / "x.cif"])
    assert rejected == []
    assert ids(crystals) == [f"{tmp_path}/b/x.cif", "y.cif", f"{tmp_path}/a/x.cif", f"{tmp_path}/x.cif"]
    with pytest.raises(InputError, match=r"gone\.cif does not exist"):
        read_structures([tmp_path / "b", tmp_path / "gone.cif"])


def test_a_folder_of_generated_crystals_has_the_candidates_ids(tmp_path):
    table = "rank,id,formula,file\n1,SrTiO3-0007,NaCl,cifs/SrTiO3-0007-NaCl.cif\n2,none,,\n3,gone,NaCl,cifs/gone.cif\n"
    xyz = XYZ.replace(" pbc", " id=SrTiO3-0007 pbc")
    write(tmp_path, {"candidates.csv": table, "candidates.extxyz": xyz, "cifs/SrTiO3-0007-NaCl.cif": CIF})
    crystals, [only] = read_structures(tmp_path)
    assert ids(crystals) == ["SrTiO3-0007"]
    assert (only.id, only.reason) == ("gone", "missing_file")
    assert ids(read_structures(tmp_path / "candidates.extxyz")[0]) == ["SrTiO3-0007"]
    relaxed = "id,status,relaxed\nSrTiO3-0007,converged,relaxed/SrTiO3-0007.cif\nb,failed,\n"
    write(tmp_path, {"relaxed.csv": relaxed, "relaxed/SrTiO3-0007.cif": CIF})
    assert ids(read_structures(tmp_path)[0]) == ["SrTiO3-0007", "relaxed/SrTiO3-0007.cif"]
    shutil.rmtree(tmp_path / "cifs")
    (tmp_path / "candidates.csv").unlink()
    (tmp_path / "candidates.extxyz").unlink()
    assert ids(read_structures(tmp_path)[0]) == ["SrTiO3-0007"]


def test_a_listed_file_outside_the_folder_is_named(tmp_path):
    table = "id,file\na,cifs/a.cif\nb,/nowhere/b.cif\nc,../c.cif\n"
    write(tmp_path, {"in/t.csv": table, "in/cifs/a.cif": CIF, "c.cif": CIF})
    crystals, rejected = read_structures(tmp_path / "in")
    assert ids(crystals) == ["a"]
    assert [(item.id, item.reason) for item in rejected] == [("b", "missing_file"), ("c", "missing_file")]
    assert rejected[0].detail == "t.csv lists /nowhere/b.cif, which is not among the files read with it"


def test_a_folder_of_cgcnn_needs_no_header(tmp_path, caplog):
    write(
        tmp_path,
        {"cgcnn/one.cif": CIF, "cgcnn/sub/two.cif": CIF, "cgcnn/POSCAR-3": POSCAR, "cgcnn/atom_init.json": "{}"},
    )
    write(tmp_path, {"cgcnn/id_prop.csv": "one,-2.1\ntwo,-2.2\nPOSCAR-3,-2.3\n"})
    crystals, [other] = source(tmp_path / "cgcnn")
    assert {crystal.id: crystal.formation_energy_per_atom for crystal in crystals} == {
        "one": -2.1,
        "two": -2.2,
        "POSCAR-3": -2.3,
    }
    assert {crystal.n_sites for crystal in crystals} == {2}
    assert (other.id, other.reason) == ("atom_init.json", "unknown_format")
    assert (
        "id_prop.csv has no header: its second column is taken for formation_energy_per_atom (eV/atom)"
        in caplog.messages
    )


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_table_may_have_other_separators_and_bytes(tmp_path, separator):
    text = PLAIN.format("größte").replace(",", separator)
    path = tmp_path / ("t.tsv" if separator == "\t" else "t.csv")
    for encoding in ("utf-8-sig", "latin-1"):
        path.write_text(text, encoding=encoding)
        assert ids(read_structures(path)[0]) == ["größte"]
    path.write_text(
        text.replace(f"{separator}frac", f"{separator}frac{separator}formation_energy_per_atom").replace(
            "0.5\n", f"0.5{separator}-2\n"
        )
    )
    assert source(path)[0][0].formation_energy_per_atom == -2


@pytest.mark.parametrize(
    ("column", "text"), [("cif", CIF), ("poscar", POSCAR), ("structure", json.dumps(SALT.as_dict()))]
)
def test_a_table_may_have_a_column_of_structures(tmp_path, column, text):
    rows = [{"material_id": "mp-1", column: text, "formation_energy_per_atom": -2.0, "band_gap": 5.0}]
    rows += [{"material_id": "mp-2", column: "nothing", "formation_energy_per_atom": -2.0, "band_gap": ""}]
    for name in ("t.csv", "t.parquet"):
        frame = pd.DataFrame(rows).astype(str)
        frame.to_csv(tmp_path / name) if name == "t.csv" else frame.to_parquet(tmp_path / name)
        [crystal], [only] = source(tmp_path / name)
        assert (crystal.id, crystal.formula, crystal.n_sites) == ("mp-1", "NaCl", 2)
        assert (crystal.formation_energy_per_atom, crystal.properties) == (-2.0, {"band_gap": 5.0, "spacegroup": 225.0})
        assert (only.id, only.reason) == ("mp-2", "unreadable")
        [crystal], [only] = read_structures(tmp_path / name)
        assert (crystal.id, only.id) == ("mp-1", "mp-2")
    pd.DataFrame(rows).drop(columns="formation_energy_per_atom").to_csv(tmp_path / "bare.csv")
    with pytest.raises(InputError, match=r"bare\.csv lacks the column formation_energy_per_atom"):
        source(tmp_path / "bare.csv")


DOCUMENT = {
    "material_id": "mp-22862", "structure": SALT.as_dict(), "formation_energy_per_atom": -2.1, "band_gap": 5.0,
    "bulk_modulus": {"vrh": 24.0}, "energy_above_hull": 0.0, "symmetry": {"number": 225},
}  # fmt: skip
MATBENCH = {"index": ["mb-1"], "columns": ["structure", "e_form"], "data": [[SALT.as_dict(), -2.1]]}


@pytest.mark.parametrize(
    ("found", "id", "label"),
    [
        ([DOCUMENT], "mp-22862", -2.1),
        ({"data": [DOCUMENT], "meta": {}}, "mp-22862", -2.1),
        ({"mp-22862": DOCUMENT}, "mp-22862", -2.1),
        (MATBENCH, "mb-1", -2.1),
        ({"cif": {"mp-1": CIF}, "e_form": {"mp-1": -2.1}}, "mp-1", -2.1),
        ({"cif": {"18517": CIF}, "heat_all": {"18517": 2.76}}, "18517", 2.76),  # CDVAE's Perov-5
        (SALT.as_dict(), "row 1", None),
        ({"mine": SALT.as_dict()}, "mine", None),
    ],
)
def test_json_is_a_source(tmp_path, found, id, label):
    path = tmp_path / "it.json"
    path.write_text(json.dumps(found))
    [crystal], rejected = source(path)
    assert rejected == [] and (crystal.id, crystal.n_sites) == (id, 2)
    assert crystal.formation_energy_per_atom == pytest.approx(label, nan_ok=True) or label is None
    assert source(path, "conventional")[0][0].n_sites == 8
    if "22862" in id:
        expected = {"band_gap": 5.0, "K_VRH": 24.0, "e_above_hull": 0.0, "spacegroup": 225.0}
        assert crystal.properties == expected
    [crystal], _ = read_structures(path)
    assert (crystal.id, crystal.n_sites) == ("it.json" if id == "row 1" else id, 8)  # in its own cell


def test_json_lines_and_a_bad_row(tmp_path):
    bad = DOCUMENT | {"material_id": "mp-2", "structure": {"lattice": {}, "sites": []}}
    (tmp_path / "it.jsonl").write_text(f"{json.dumps(DOCUMENT)}\n{json.dumps(bad)}\n")
    [crystal], [only] = source(tmp_path / "it.jsonl")
    assert (crystal.id, only.id, only.reason) == ("mp-22862", "mp-2", "unreadable")


@pytest.mark.parametrize(
    ("text", "message", "reason"),
    [("{", "cannot be read as JSON", "unreadable"), ('{"a": 1}', "holds no structure", "unknown_format")],
)
def test_other_json_is_a_sentence(tmp_path, text, message, reason):
    (tmp_path / "it.json").write_text(text)
    with pytest.raises(InputError, match=rf"it\.json {message}"):
        source(tmp_path / "it.json")
    crystals, [only] = read_structures(tmp_path / "it.json")
    assert crystals == [] and (only.id, only.reason) == ("it.json", reason) and message in only.detail


def test_a_database_of_ase_is_a_source(tmp_path):
    salt = Atoms(
        "NaCl", scaled_positions=[[0, 0, 0], [0.5] * 3], cell=SALT.get_primitive_structure().lattice.matrix, pbc=True
    )
    with ase.db.connect(tmp_path / "it.db") as database:
        database.write(salt, formation_energy_per_atom=-2.1, band_gap=5.0)
        database.write(Atoms("O2", positions=[[0, 0, 0], [0, 0, 1.2]]))
    [crystal], [only] = source(tmp_path / "it.db")
    assert (crystal.id, crystal.formula, crystal.formation_energy_per_atom) == ("1", "NaCl", -2.1)
    assert crystal.properties["band_gap"] == 5.0 and (only.id, only.reason) == ("2", "unreadable")
    (tmp_path / "bad.db").write_text("no database, but of some length, so that SQLite reads its header")
    with pytest.raises(InputError, match=r"bad\.db cannot be read as an ASE database \(DatabaseError: file is no"):
        source(tmp_path / "bad.db")


class OfAnotherProgram(FixAtoms):
    def todict(self):
        return {"name": "OfAnotherProgram", "kwargs": {"indices": [0]}}


@pytest.mark.parametrize("rows", [3, 70])  # the latter by several processes
def test_a_row_of_a_database_cannot_spoil_itself_or_the_others(tmp_path, rows):
    copper = Atoms("Cu", cell=[[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]], pbc=True)
    fixed = copper.copy()
    fixed.set_constraint(OfAnotherProgram([0]))
    with ase.db.connect(tmp_path / "it.db") as database:
        database.write(fixed)
        for number in range(1, rows):
            database.write(copper, structure="rocksalt", cif="none", mp_id=f"mp-x{number}")
    crystals, [only] = read_structures(tmp_path / "it.db")
    assert [crystal.formula for crystal in crystals] == ["Cu"] * (rows - 1) and crystals[0].id == "mp-x1"
    assert (only.id, only.reason) == ("1", "unreadable") and only.detail.startswith("ValueError: ")


@pytest.mark.slow
def test_the_tables_of_others_are_read(shared):
    crystals, rejected = read_structures(shared / "data/mp_dielectric_2017_with_poscar.csv.gz")
    assert len(crystals) + len(rejected) == 1056 and len(rejected) < 10


def test_a_structure_of_pymatgen_comes_back(tmp_path):
    SALT.to(str(tmp_path / "salt.json"))
    [crystal], _ = read_structures(tmp_path / "salt.json")
    assert crystal.id == "salt.json" and crystal.structure() == Structure(SALT.lattice, SALT.species, SALT.frac_coords)
