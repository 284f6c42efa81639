"""Structure files as people have them: each kind of oddity is read as what it means, or refused for its true cause."""

from pathlib import Path

import pytest

from data_prep.crystal import Crystal
from data_prep.quarantine import Rejected
from data_prep.sources.structure_files import read_structures

HEAD = """data_salt
_chemical_formula_sum 'Cl Na'
_cell_formula_units_Z 4
"""
CELL = """_cell_length_a 5.64(2)
_cell_length_b 5.64(2)
_cell_length_c 5.64(2)
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
"""
GROUP = "_symmetry_space_group_name_H-M 'F m -3 m'\n"
SITES = """loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na 0 0 0 1
Cl1 Cl 0.5 0.5 0.5 1
"""
CIF = HEAD + CELL + GROUP + SITES
IDENTITY = "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n"
WURTZITE = f"""data_w
_chemical_formula_sum 'S Zn'
{CELL.replace("5.64", "3.81", 2).replace("5.64", "6.23").replace("gamma 90", "gamma 120")}
_symmetry_space_group_name_H-M 'P 63 m c'
{SITES.replace("Na1 Na 0 0 0", "Zn1 Zn 0.333 0.667 0").replace("Cl1 Cl 0.5 0.5 0.5", "S1 S 0.333 0.667 0.375")}"""
POSCAR = """salt
1.0
0 2.82 2.82
2.82 0 2.82
2.82 2.82 0
Na Cl
1 1
Direct
0 0 0
0.5 0.5 0.5
"""
LATTICE = 'Lattice="0 2.82 2.82 2.82 0 2.82 2.82 2.82 0" Properties=species:S:1:pos:R:3 pbc="T T T"'
XYZ = f"2\n{LATTICE}\nNa 0 0 0\nCl 2.82 2.82 2.82\n"


def read(folder: Path, name: str, text: str | bytes) -> tuple[list[Crystal], list[Rejected]]:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return read_structures(folder / name)


def assert_salt(folder: Path, name: str, text: str | bytes, sites: int = 8) -> None:
    """Check that a file is read as rock salt, under its name, with nothing left out."""
    [crystal], rejected = read(folder, name, text)
    assert rejected == [] and (crystal.id, crystal.formula, crystal.n_sites) == (name, "NaCl", sites)
    assert crystal.structure().volume / sites == pytest.approx(22.43, abs=0.01)
    nearest = crystal.structure().get_neighbor_list(2.9)[3]
    assert len(nearest) == 6 * sites and nearest == pytest.approx(2.82)


CIFS = {
    "as it should be": CIF,
    "byte order mark, Windows lines": b"\xef\xbb\xbf" + CIF.replace("\n", "\r\n").encode(),
    "UTF-16": CIF.encode("utf-16"),
    "Latin-1": CIF.replace("data_salt", "data_salt\n_author 'Müller'").encode("latin-1"),
    "old Mac lines": CIF.replace("\n", "\r"),
    "no data_ line": CIF.replace("data_salt\n", "# from a viewer\n"),
    "data_ in a text": CIF.replace(CELL, "_remark\n;\ndata_x\nTITL x\n;\n" + CELL),
    "a global block before": "data_global\n_journal_year 1999\n" + CIF,
    "global_ before": "global_\n_journal_year 1999\n" + CIF,
    "a powder block after": CIF + "data_pattern\nloop_\n_pd_proc_2theta_corrected\n_pd_meas_counts\n10 33\n10.1 34\n",
    "loops in one line": HEAD + CELL + GROUP + " ".join(SITES.split()) + "\n",
    "tags in upper case": CIF.replace("_cell_length", "_Cell_Length").replace("_fract_", "_Fract_"),
    "dots in tags": CIF.replace("_atom_site_", "_atom_site.").replace("_cell_length_", "_cell.length_"),
    "symbol without quotes": CIF.replace("'F m -3 m'", "F m -3 m"),
    "symbol of before 1985": CIF.replace("F m -3 m", "F m 3 m"),
    "full symbol": CIF.replace("F m -3 m", "F 4/m -3 2/m"),
    "number alone": CIF.replace(GROUP, "_space_group_IT_number 225\n"),
    "fractions": CIF.replace("0.5 0.5 0.5", "1/2 1/2 1/2"),
    "occupancies by default": CIF.replace("0 0 0 1", "0 0 0 .").replace("0.5 1", "0.5 ."),
    "one occupancy by default": CIF.replace("0.5 1", "0.5 .").replace(HEAD, "data_x\n"),
    "no occupancies": CIF.replace("_atom_site_occupancy\n", "").replace("0 1\n", "0\n").replace("0.5 1\n", "0.5\n"),
    "operators lost, by Z": CIF.replace(SITES, IDENTITY + SITES),
    "operators lost, full symbol": CIF.replace("F m -3 m", "F 4/m -3 2/m").replace(SITES, IDENTITY + SITES),
    "enough of the operators": CIF.replace(
        SITES, IDENTITY + "x,y+1/2,z+1/2\nx+1/2,y,z+1/2\n'x+1/2,y+1/2,z'\n'-x,y,-z'\n" + SITES
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CIFS)
def test_a_cif_is_read_as_what_it_means(tmp_path, kind):
    assert_salt(tmp_path, "salt.cif", CIFS[kind])


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        # half a crystal
        (CIF.replace(GROUP, ""), "composition_mismatch", "Cl Na, Z = 4 means 8 sites, the symmetry gives 2"),
        (CIF.replace("_Z 4", "_Z 2"), "composition_mismatch", "Z = 2 means 4 sites, the symmetry gives 8"),
        (
            CIF.replace("_cell_formula_units_Z 4\n", "").replace(SITES, IDENTITY + SITES), "unreadable",
            "the space group F m -3 m gives Na4 Cl4 in a cell, but the operators listed (1) Na1 Cl1; list all",
        ),
        (
            CIF.replace(HEAD, "data_d\n").replace("F m -3 m", "F d -3 m").replace("Na 0 0 0", "Na .125 .125 .125"),
            "unreadable", "the space group F d -3 m gives Na16 Cl8 in a cell, but another setting of it Na8 Cl16; list",
        ),
        (
            CIF.replace(HEAD, "data_x\n").replace("c 5.64", "c 6.10"), "unreadable",
            "line 8: the space group F m -3 m does not fit the cell, and no operators are listed",
        ),
        (CIF.replace(SITES, SITES + SITES), "several_structures", "a second list of sites begins in line 23; split it"),
        (CIF[: CIF.index("0.5 0.5")], "unreadable", "the loop of line 11 has 6 columns, but 8 values"),
        (CIF + "_remark\n;\nno end\n", "unreadable", "the text that begins with ; in line 21 has no end"),
        # the true cause, and its line
        (CIF.replace("a 5.64(2)", "a wide"), "unreadable", "line 4: _cell_length_a is 'wide', not a number"),
        (CIF.replace("0.5 0.5 0.5", "0.5 ? 0.5"), "unreadable", "line 19: _atom_site_fract_y is '?', not a number"),
        (CIF.replace("F m -3 m", "F m m 7"), "unreadable", "line 10: the space group F m m 7 is not understood"),
        (CIF.replace(SITES, IDENTITY + "x,y\n" + SITES), "unreadable", "line 14: 'x,y' is no symmetry operator"),
        (CIF.replace("0 0 0 1", "0 0 0 0"), "disordered", "line 18: a site has the occupancy 0"),
        (CIF.replace("fract", "Cartn"), "unreadable", "its sites have Cartesian coordinates (_atom_site_Cartn_x)"),
        ("data_x\n_cell_length_a 4\n", "unreadable", "there is no list of sites: no _atom_site_fract_x in 1 block"),
    ],
)  # fmt: skip
def test_a_cif_that_is_not_whole_is_refused_for_its_true_cause(tmp_path, text, reason, detail):
    crystals, [only] = read(tmp_path, "salt.cif", text)
    assert crystals == [] and (only.id, only.reason) == ("salt.cif", reason)
    assert detail in only.detail and "\n" not in only.detail


def test_what_a_reader_assumes_is_said(tmp_path, caplog):
    assert_salt(tmp_path, "a.cif", CIF.replace("0.5 1", "0.5 1.003"))
    assert_salt(tmp_path, "b.cif", CIFS["operators lost, by Z"])
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "a.cif: line 19: the occupancy 1.003 is taken as 1",
        "b.cif: the operators are those of the space group F m -3 m: the ones listed are not all",
    ]
    crystals, [only] = read(tmp_path, "c.cif", CIF.replace("0.5 1", "0.5 1.1"))
    assert crystals == [] and only.reason == "unreadable" and "Occupancy 1.1" in only.detail


def test_sites_that_rounding_keeps_apart_are_merged_and_that_is_said(tmp_path, caplog):
    [crystal], rejected = read(tmp_path, "w.cif", WURTZITE)
    assert rejected == [] and (crystal.formula, crystal.n_sites) == ("ZnS", 4)
    assert caplog.messages == ["w.cif: coordinates are rounded to 3 digits: 12 sites are merged to 4"]
    exact = WURTZITE.replace("0.333", "0.33312345").replace("0.667", "0.66687655")
    crystals, [only] = read(tmp_path, "e.cif", exact)
    assert crystals == [] and only.reason == "overlapping_sites"  # not rounded: something else is wrong


def test_every_block_is_read_or_named(tmp_path):
    potash = CIF.replace("data_salt", "data_potash").replace("Na", "K")
    crystals, rejected = read(tmp_path, "two.cif", CIF + potash)
    assert [(crystal.id, crystal.formula) for crystal in crystals] == [("two.cif#1", "NaCl"), ("two.cif#2", "KCl")]
    assert rejected == []
    crystals, [only] = read(tmp_path, "two.cif", CIF + potash.replace("_Z 4", "_Z 3"))
    assert [crystal.id for crystal in crystals] == ["two.cif#1"]
    assert only.id == "two.cif#2" and only.detail.startswith("block potash: Cl K, Z = 3 means 6 sites")
    crystals, [only] = read(tmp_path, "two.cif", CIF + potash.replace(SITES.replace("Na", "K"), ""))
    assert [crystal.id for crystal in crystals] == ["two.cif#1"] and only.id == "two.cif#2"
    crystals, rejected = read(tmp_path, "same.cif", CIF + CIF)  # two blocks of one name
    assert [crystal.id for crystal in crystals] == ["same.cif#1", "same.cif#2"] and rejected == []


def test_a_magnetic_cif_is_read_without_its_moments(tmp_path):
    steps = ("x,y,z", "x,y+1/2,z+1/2", "x+1/2,y,z+1/2", "x+1/2,y+1/2,z")
    operators = "".join(f"{step},+1\n" for step in steps)
    axes = "".join(f"_atom_site_moment_crystalaxis_{axis}\n" for axis in "xyz")
    group = f"loop_\n_space_group_symop_magn_operation.xyz\n{operators}"
    moments = f"loop_\n_atom_site_moment_label\n{axes}Na1 1 0 0\n"
    assert_salt(tmp_path, "salt.mcif", CIF.replace(GROUP, group) + moments)


POSCARS = {
    "comments": POSCAR.replace("1.0", "1.0 ! scale").replace("Cl\n", "Cl # it\n", 1).replace("0 0 0\n", "0 0 0 # Na\n"),
    "three scales": POSCAR.replace("1.0", "5.64 5.64 5.64").replace("2.82", "0.5"),
    "three scales, Cartesian": POSCAR.replace("1.0", "5.64 5.64 5.64").replace("2.82", "0.5").replace("Direct", "Kart"),
    "three scales, frozen": "salt\n2.82 2.82 5.64\n0 1 .5\n1 0 .5\n1 1 0\nNa Cl\n1 1\nSelective\n cartesian\n"
    "0 0 0 T T T\n1 1 0.5 T F F\n",
    "a volume": POSCAR.replace("1.0", f"{-2 * 2.82**3!r}").replace("2.82", "1"),
    "a volume, Cartesian": POSCAR.replace("1.0", f"{-2 * 2.82**3!r}").replace("2.82", "0.5").replace("Direct", "C"),
    "Latin-1": POSCAR.replace("salt", "Müller").encode("latin-1"),
    "byte order mark, Windows lines": b"\xef\xbb\xbf" + POSCAR.replace("\n", "\r\n").encode(),
    "velocities": POSCAR + "\n 0.1E-02 0.2E-02 0.0\n 0 0 0\n",
    "velocities cut": POSCAR + "\n 0.1E-02 0.2E-02 0.0\n",
    "velocities with stars": POSCAR + "\n ************** 0.2E-02 0.0\n 0 0 0\n",
    "velocities with a title": POSCAR + "Cartesian\n 0.1E-02 0.2E-02 0.0\n 0 0 0\n",
    "no title": POSCAR.replace("salt", ""),
}  # fmt: skip


@pytest.mark.parametrize("kind", POSCARS)
def test_a_poscar_is_read_as_vasp_reads_it(tmp_path, kind):
    assert_salt(tmp_path, "CONTCAR", POSCARS[kind], sites=2)


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        (POSCAR.replace("0.5 0.5 0.5\n", ""), "unreadable", "line 7 counts 2 sites, but 1 lines of sites follow"),
        (POSCAR + "0.25 0.25 0.25\n", "unreadable", "line 7 counts 2 sites, but a further one stands in line 11"),
        (POSCAR + POSCAR, "several_structures", "a second structure begins near line 16; split the file"),
        (
            POSCAR.replace("1 1\n", "1 one\n"),
            "unreadable",
            "line 7 must count the sites of each element; it is '1 one'",
        ),
        (POSCAR.replace("1.0", "1.0 2.0"), "unreadable", "line 2 holds 2 scales: give one, or three above 0"),
        (POSCAR.replace("1.0\n0 ", "1 1 2\n"), "unreadable", "line 3 must hold three numbers; it is '2.82 2.82'"),
        (
            POSCAR.replace("1.0", "1 1 2").replace("Direct", "Cartesian").replace("0 0 0", "0 zero 0"),
            "unreadable",
            "line 9 must hold numbers; it is '0 zero 0'",
        ),
        (
            POSCAR.replace("1.0", "-64").replace("2.82 2.82 0\n", "0 2.82 2.82\n"),
            "degenerate_cell",
            "the vectors of lines 3 to 5 span no volume",
        ),
    ],
)
def test_a_poscar_that_is_not_whole_is_refused_for_its_true_cause(tmp_path, text, reason, detail):
    crystals, [only] = read(tmp_path, "POSCAR", text)
    assert crystals == [] and (only.reason, only.detail) == (reason, detail)


@pytest.mark.parametrize(
    "text", [b"\xef\xbb\xbf" + XYZ.encode(), XYZ.replace(" pbc", ' by="Müller" pbc').encode("latin-1")]
)
def test_an_xyz_is_read_whatever_its_bytes(tmp_path, text):
    assert_salt(tmp_path, "salt.extxyz", text, sites=2)


def test_every_frame_is_read_or_named(tmp_path):
    crystals, rejected = read(tmp_path, "path.xyz", XYZ + "\n\n" + XYZ)
    assert [crystal.id for crystal in crystals] == ["path.xyz#1", "path.xyz#2"] and rejected == []
    crystals, [only] = read(tmp_path, "path.xyz", XYZ + XYZ.replace("2.82 2.82 2.82\n", "here\n") + XYZ)
    assert [crystal.id for crystal in crystals] == ["path.xyz#1", "path.xyz#3"] and only.id == "path.xyz#2"
    crystals, [only] = read(tmp_path, "path.xyz", XYZ + "and then\n" + XYZ)
    assert len(crystals) == 1 and "line 5 must be the number of sites of frame 2; it is 'and then'" in only.detail
    first, second = XYZ.replace(" pbc", " id=first pbc"), XYZ.replace(" pbc", " id=second pbc")
    assert [crystal.id for crystal in read(tmp_path, "path.xyz", first + second)[0]] == ["first", "second"]


def test_a_damaged_frame_costs_the_others_no_name(tmp_path):
    first, second, third = (XYZ.replace(" pbc", f" id={name} pbc") for name in ("first", "second", "third"))
    damaged = second.replace("2.82 2.82 2.82\n", "here\n")
    for text, ids, left_out in (
        (first + damaged + third, ["first", "third"], "path.xyz#2"),
        (first + second + third[:-20], ["first", "second"], "path.xyz#3"),
        (first + XYZ + damaged + third + first, ["path.xyz#1", "path.xyz#2", "third", "path.xyz#5"], "path.xyz#3"),
    ):
        crystals, [only] = read(tmp_path, "path.xyz", text)
        assert [crystal.id for crystal in crystals] == ids
        assert (only.id, only.reason) == (left_out, "unreadable")


def test_a_huge_cell_is_refused_by_its_size_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.quarantine.np.triu_indices", None)  # distances would be an error
    sites = "".join(f"Si {n} 0 0\n" for n in range(20_000))
    for name, text in {
        "md.xyz": f"20000\n{LATTICE}\n{sites}",
        "POSCAR": POSCAR.replace("1 1\n", "10000 10000\n"),
        "md.cif": CIF + "".join(f"Si{n} Si {n / 20000} 0 0 1\n" for n in range(20_000)),
        "md.csv": "id,a,b,c,alpha,beta,gamma,species,frac\nx,9,9,9,90,90,90," + "Si " * 20_000 + "," + "0 " * 60_000,
    }.items():
        crystals, [only] = read(tmp_path, name, text)
        assert crystals == [] and only.reason == "too_many_sites"
        assert only.detail.startswith("2000") and "at most 1000 are" in only.detail


def test_a_file_that_memory_is_too_small_for_costs_no_other(tmp_path, monkeypatch):
    for name in ("a.cif", "b.cif"):
        (tmp_path / name).write_text(CIF)

    def read_text(path: Path) -> str:
        if path.name == "a.cif":
            raise MemoryError
        return path.read_text()

    monkeypatch.setattr("data_prep.sources.frame_readers.read_text", read_text)
    crystals, [only] = read_structures(tmp_path)
    assert [crystal.id for crystal in crystals] == ["b.cif"] and (only.id, only.reason) == ("a.cif", "too_large")


RIGHT = {  # of each shared case: the formula and the number of sites, or the reason
    "CONTCAR-fortran-stars": ("NaCl", 2), "CONTCAR-velocities-cut": ("NaCl", 2), "POSCAR-comments": ("NaCl", 2),
    "POSCAR-latin1": ("NaCl", 2), "POSCAR-three-scales": ("NaCl", 2), "bom.extxyz": ("NaCl", 2),
    "camg7o8-a.vasp": ("CaMg7O8", 16), "camg7o8-d.vasp": ("CaMg7O8", 16), "crlf-bom.cif": ("NaCl", 8),
    "data-word-in-text-field.cif": ("NaCl", 8), "dots-occupancy-one-site-no-formula.cif": ("NaCl", 8),
    "dots-occupancy.cif": ("NaCl", 8), "global-first-with-ops.cif": ("NaCl", 8), "global-then-block.cif": ("NaCl", 8),
    "identity-op-only-fullHM.cif": ("NaCl", 8), "latin1.extxyz": ("NaCl", 2), "nacl-skewed-shifted.vasp": ("NaCl", 2),
    "ndsb-mp-1586-as-in-mp_cubic.cif": ("NdSb", 2), "no-data-header.cif": ("NaCl", 8),
    "no-symmetry-at-all.cif": "composition_mismatch", "refinement-block-after.cif": ("NaCl", 8),
    "slab-TTF.extxyz": "degenerate_cell", "thirds-3-decimals.cif": ("ZnS", 4),
    "two-blocks-single-line-loops.cif#1": ("NaCl", 8), "two-blocks-single-line-loops.cif#2": ("KCl", 8),
    "README.md": "unknown_format", "make-md-snapshot-20000.py": "unknown_format",
}  # fmt: skip


def test_the_cases_that_were_reported_give_what_is_right(shared):
    if not (shared / "cases").is_dir():
        pytest.skip("there are no reported cases")
    crystals, rejected = read_structures(shared / "cases")
    found = {crystal.id: (crystal.formula, crystal.n_sites) for crystal in crystals}
    found |= {item.id: item.reason for item in rejected}
    assert {id: found.get(id) for id in RIGHT} == RIGHT
