"""Tables and folders of CIFs become crystals, and what cannot be used is named."""

import gzip
import math
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep.errors import InputError
from data_prep.quarantine import count_reasons, screen
from data_prep.sources import read_embedded, read_source

HEADER = "mp_id,formula,a,b,c,alpha,beta,gamma,species,frac,formation_energy_per_atom,band_gap,ef_source"
NACL = "mp-22862,NaCl,3.99,3.99,3.99,60,60,60,Na Cl,0 0 0 0.5 0.5 0.5,-2.1,5.0,mp_2020_by_id"


def table(folder: Path, *rows: str, header: str = HEADER, name: str = "table.csv") -> str:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def read(source: str, cell: str = "primitive"):
    return read_source(source, Path("unused"), cell)


def test_a_row_becomes_a_crystal(tmp_path):
    row = "mp-1,NaN,3.1,3.2,3.3,61,62,63,Na N,0 0 0.99999999 -0.5 1.25 0.5,-0.125,,mp_2020_by_id"
    [crystal], rejected = read(table(tmp_path, row))
    assert rejected == []
    assert (crystal.id, crystal.formula, crystal.family) == ("mp-1", "NaN", "AB")  # sodium nitride
    assert crystal.lengths.tolist() == [3.1, 3.2, 3.3]
    assert crystal.angles.tolist() == [61.0, 62.0, 63.0]
    assert crystal.numbers.tolist() == [11, 7]
    assert crystal.fractional.tolist() == [[0, 0, 0], [0.5, 0.25, 0.5]]
    assert crystal.formation_energy_per_atom == -0.125
    assert crystal.properties == {}  # a blank is an absent property


@pytest.mark.parametrize(
    ("reason", "row"),
    [
        ("unreadable", NACL.replace("3.99", "wide", 1)),
        ("unreadable", NACL.replace("-2.1", "low")),
        ("unreadable", NACL.replace("0.5 0.5 0.5", "0.5 0.5")),
        ("unreadable", NACL.replace("0.5 0.5 0.5", "0.5 0.5 half")),
        ("unreadable", NACL.replace("Na Cl", "")),
        ("unreadable", "mp-22862,NaCl,3.99,3.99"),  # a line cut short
        ("unknown_element", NACL.replace("Na Cl", "Na Xx")),
        ("isotope", NACL.replace("Na Cl", "Na D")),
        ("composition_mismatch", NACL.replace("NaCl", "NaCl2")),
        ("composition_mismatch", NACL.replace("NaCl", "rock salt")),
        ("other_label_generation", NACL.replace("mp_2020_by_id", "mp_2021_corrections")),
        ("no_id", NACL.replace("mp-22862", "")),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, reason, row):
    crystals, rejected = read(table(tmp_path, NACL.replace("mp-22862", "good"), row))
    assert [crystal.id for crystal in crystals] == ["good"]
    id = "row 2" if reason == "no_id" else "mp-22862"
    assert [(item.id, item.reason) for item in rejected] == [(id, reason)]


def test_a_text_where_no_label_is_costs_no_row(tmp_path):
    header, row = f"{HEADER},spacegroup,in_mp_july2019", f"{NACL},Fm-3m,yes"
    wide = row.replace("mp-22862", "wide").replace("5.0", "wide")
    [crystal], [only] = read(table(tmp_path, row, wide, header=header))
    assert (crystal.formation_energy_per_atom, crystal.properties) == (-2.1, {"band_gap": 5.0})
    assert (only.id, only.detail) == ("wide", "band_gap is 'wide', not a number")  # a label of Table 1
    assert screen([crystal])[0][0].properties["spacegroup"] == 225  # found by spglib
    (tmp_path / "cifs.csv").write_text(
        f'id,cif,spacegroup,formation_energy_per_atom\na,"{CSCL}",Pm-3m,-2\nb,"{CSCL}",,low\n'
    )
    [crystal], [only] = read(str(tmp_path / "cifs.csv"))
    assert (crystal.id, crystal.properties, only.id) == ("a", {"spacegroup": 221.0}, "b")
    assert only.detail == "formation_energy_per_atom is 'low', not a number"


def test_commas_at_the_ends_of_rows_move_no_column(tmp_path):
    ids = ["001", "NA"]  # which pandas would make 1 and a blank of in an index
    for end in (",", ",,"):
        crystals, rejected = read(table(tmp_path, *[NACL.replace("mp-22862", id) + end for id in ids]))
        assert [crystal.id for crystal in crystals] == ids and rejected == []
        assert [crystal.formation_energy_per_atom for crystal in crystals] == [-2.1, -2.1]
    crystals, [only] = read(table(tmp_path, NACL + ",", NACL.replace("mp-22862", "b"), "c,NaCl,3.99,3.99"))
    assert [crystal.id for crystal in crystals] == ["mp-22862", "b"] and only.id == "c"


def test_a_missing_label_is_nan_and_left_to_the_screen(tmp_path):
    rows = [NACL.replace("-2.1", blank).replace("mp-22862", f"x{i}") for i, blank in enumerate(["", "nan"])]
    none = NACL.replace("mp_2020_by_id", "none").replace("mp-22862", "x2")
    crystals, rejected = read(table(tmp_path, *rows, none, NACL))
    assert rejected == []
    assert [math.isnan(crystal.formation_energy_per_atom) for crystal in crystals] == [
        True,
        True,
        True,
        False,
    ]
    kept, rejected = screen(crystals, cubic=False)
    assert [crystal.id for crystal in kept] == ["mp-22862"]
    assert count_reasons(rejected) == {"no_label": 3}


def test_csv_gzip_and_parquet_give_the_same_crystals(tmp_path):
    plain = table(tmp_path, NACL)
    packed = tmp_path / "table.csv.gz"
    packed.write_bytes(gzip.compress(Path(plain).read_bytes()))
    frame = pd.read_csv(plain)
    frame["frac"] = [np.array(text.split(), dtype=np.float32) for text in frame.frac]
    frame.to_parquet(tmp_path / "table.parquet")
    crystals = [read(str(path))[0][0] for path in (plain, packed, tmp_path / "table.parquet")]
    assert all(crystal.properties == {"band_gap": 5.0} for crystal in crystals)
    for name in ("id", "formula", "formation_energy_per_atom"):
        assert len({getattr(crystal, name) for crystal in crystals}) == 1
    for name in ("lengths", "angles", "numbers", "fractional"):
        assert len({getattr(crystal, name).tobytes() for crystal in crystals}) == 1


@pytest.mark.parametrize("column", ["material_id", "id"])
def test_other_names_of_the_id_column(tmp_path, column):
    crystals, _ = read(table(tmp_path, NACL, header="\ufeff" + HEADER.replace("mp_id", column)))
    assert crystals[0].id == "mp-22862"


def broken_source(tmp_path: Path, kind: str) -> str:
    if kind == "missing":
        return str(tmp_path / "nowhere.csv")
    if kind == "suffix":
        (tmp_path / "cells.xlsx").write_text("x")
        return str(tmp_path / "cells.xlsx")
    if kind == "empty file":
        (tmp_path / "empty.csv").touch()
        return str(tmp_path / "empty.csv")
    if kind == "no rows":
        return table(tmp_path)
    if kind == "no id":
        return table(tmp_path, NACL, header=HEADER.replace("mp_id", "number"))
    if kind == "no columns":
        return table(tmp_path, NACL, header=HEADER.replace("alpha", "al").replace("frac", "xyz"))
    if kind == "ragged":
        return table(tmp_path, NACL, NACL + ",1,2,3")
    if kind == "unnamed column":
        return table(tmp_path, NACL + ",7", NACL + ",")
    if kind == "cut gzip":
        content = gzip.compress(Path(table(tmp_path, *[NACL] * 50)).read_bytes())
        (tmp_path / "cut.csv.gz").write_bytes(content[:-20])
        return str(tmp_path / "cut.csv.gz")
    if kind == "not gzip":
        (tmp_path / "plain.csv.gz").write_text(HEADER)
        return str(tmp_path / "plain.csv.gz")
    if kind == "not parquet":
        (tmp_path / "bad.parquet").write_text(HEADER)
        return str(tmp_path / "bad.parquet")
    if kind == "not text":
        (tmp_path / "binary.csv").write_bytes(HEADER.encode() + b"\n\xff\xfe\x00")
        return str(tmp_path / "binary.csv")
    return table(tmp_path, NACL.replace("Na Cl", "Na D"), NACL.replace("Na Cl", "Na D"))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"nowhere\.csv' does not exist; give embedded"),
        ("suffix", r"cells\.xlsx is not one of \.csv, .*\.parquet, \.json"),
        ("empty file", r"empty\.csv is empty"),
        ("no rows", r"table\.csv has a header but no rows"),
        ("no id", r"table\.csv lacks an id column; add one named mp_id, material_id or id"),
        ("no columns", r"table\.csv lacks the columns alpha, frac;"),
        ("ragged", r"table\.csv cannot be read as a table .*line 3"),
        ("unnamed column", r"table\.csv has rows with more cells than its header has names; name every column"),
        ("cut gzip", r"cut\.csv\.gz cannot be read as a table"),
        ("not gzip", r"plain\.csv\.gz cannot be read as a table"),
        ("not parquet", r"bad\.parquet cannot be read as a table"),
        ("not text", r"binary\.csv cannot be read as a table"),
        ("nothing usable", r"table\.csv has no usable crystal: 2 isotope; for example mp-22862"),
    ],
)
def test_a_mistake_about_the_whole_source_is_one_sentence(tmp_path, kind, message):
    with pytest.raises(InputError, match=message) as caught:
        read(broken_source(tmp_path, kind))
    assert "\n" not in str(caught.value).strip()


def test_an_unknown_cell_and_a_missing_embedded_table_are_named(tmp_path):
    with pytest.raises(InputError, match="cell is 'niggli'; choose primitive or conventional"):
        read(table(tmp_path, NACL), "niggli")
    with pytest.raises(InputError, match=r"crystals\.csv\.gz is missing from this installation"):
        read_embedded(tmp_path / "crystals.csv.gz")


def test_deposited_cells_of_a_table_stay_or_become_conventional(tmp_path):
    heusler = "mp-2,Cu2MnAl,4.2,4.2,4.2,60,60,60,Cu Cu Mn Al,.25 .25 .25 .75 .75 .75 .5 .5 .5 0 0 0,-0.1,,x"
    doubled = "mp-3,CsCl,4.1,4.1,8.2,90,90,90,Cs Cl Cs Cl,0 0 0 .5 .5 .25 0 0 .5 .5 .5 .75,-2.0,,x"
    flat = NACL.replace("mp-22862", "flat").replace("60,60,60", "60,60,120")
    source = table(tmp_path, heusler, doubled, flat)
    deposited, rejected = read(source)
    assert ([crystal.n_sites for crystal in deposited], rejected) == ([4, 4, 2], [])
    conventional, rejected = read(source, "conventional")
    assert [(crystal.id, crystal.n_sites) for crystal in conventional] == [("mp-2", 16), ("mp-3", 2)]
    assert [(item.id, item.reason) for item in rejected] == [("flat", "degenerate_cell")]
    assert conventional[0].lengths == pytest.approx(np.full(3, 4.2 * math.sqrt(2)), abs=1e-6)
    assert conventional[0].angles == pytest.approx(np.full(3, 90.0), abs=1e-6)
    assert Counter(conventional[0].numbers.tolist()) == {29: 8, 25: 4, 13: 4}
    assert conventional[0].formation_energy_per_atom == -0.1
    assert [crystal.properties["spacegroup"] for crystal in conventional] == [225.0, 221.0]


CIF = """data_{name}
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha {angle}
_cell_angle_beta {angle}
_cell_angle_gamma {angle}
_symmetry_space_group_name_H-M '{group}'
_chemical_formula_sum '{formula}'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{sites}
"""
PLAIN = dict(name="CsCl", a=4.1, angle=90, group="P 1", formula="Cs1 Cl1")
CSCL = CIF.format(**PLAIN, sites="Cs1 Cs 0 0 0 1\nCl1 Cl 0.5 0.5 0.5 1")


def cif_folder(tmp_path: Path, files: dict[str, str], csv: str | None = None) -> str:
    folder = tmp_path / "cifs"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    rows = [f"{name},-1.0,{index}.5" for index, name in enumerate(files)]
    csv = "\n".join(["file,formation_energy_per_atom,band_gap", *rows]) if csv is None else csv
    if csv:
        (folder / "properties.csv").write_text(csv, encoding="utf-8")
    return str(folder)


def test_conventional_cifs_are_reduced_and_primitive_ones_are_not_disturbed(tmp_path):
    files = {
        "heusler.cif": CIF.format(
            name="h", a=5.95, angle=90, group="F m -3 m", formula="Cu2 Mn Al",
            sites="Cu Cu 0.25 0.25 0.25 1\nMn Mn 0.5 0.5 0.5 1\nAl Al 0 0 0 1",
        ),
        "perovskite.cif": CIF.format(
            name="p", a=3.9, angle=90, group="P m -3 m", formula="Sr Ti O3",
            sites="Sr Sr 0 0 0 1\nTi Ti 0.5 0.5 0.5 1\nO O 0.5 0.5 0 1",
        ),
        "shifted.cif": CIF.format(
            name="s", a=3.99, angle=60, group="P 1", formula="Na Cl",
            sites="Na Na 0.1 0.2 0.3 1\nCl Cl 0.6 0.7 0.8 1",
        ),
    }  # fmt: skip
    source = cif_folder(tmp_path, files)
    crystals, rejected = read(source)
    assert rejected == []
    heusler, perovskite, shifted = crystals
    assert [(crystal.id, crystal.n_sites) for crystal in crystals] == [
        ("heusler", 4), ("perovskite", 5), ("shifted", 2)
    ]  # fmt: skip
    assert heusler.lengths == pytest.approx(np.full(3, 5.95 / math.sqrt(2)), abs=1e-6)
    assert heusler.angles == pytest.approx(np.full(3, 60.0), abs=1e-4)
    assert shifted.fractional == pytest.approx(np.array([[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]]), abs=1e-9)
    assert shifted.numbers.tolist() == [11, 17]
    assert heusler.properties == {"band_gap": 0.5, "spacegroup": 225.0}
    assert len(screen(crystals)[0]) == 3


def test_cifs_become_conventional_on_request(tmp_path):
    sites = "Na Na 0 0 0 1\nCl Cl 0.5 0.5 0.5 1"
    rocksalt = CIF.format(name="s", a=3.99, angle=60, group="P 1", formula="Na Cl", sites=sites)
    [crystal], rejected = read(cif_folder(tmp_path, {"rocksalt.cif": rocksalt}), "conventional")
    assert (crystal.n_sites, crystal.formula, rejected) == (8, "NaCl", [])
    assert crystal.lengths == pytest.approx(np.full(3, 3.99 * math.sqrt(2)), abs=1e-6)


def sites_of(count: int) -> str:
    return "\n".join(f"Cs{i} Cs {i / count:.6f} 0 0 1" for i in range(count))


DAMAGED = {
    "empty": ("unreadable", ""),
    "text": ("unreadable", "this is a letter, not a crystal"),
    "binary": ("unreadable", "\x00\x01\ufffd\x7f" * 50),
    "cut_in_cell": ("unreadable", CSCL[:60]),
    "cut_in_loop": ("unreadable", CSCL[: CSCL.index("Cl1 Cl 0.5") + 12]),
    "cut_at_line": ("composition_mismatch", CSCL[: CSCL.index("Cl1 Cl 0.5")]),
    "no_sites": ("unreadable", CIF.format(**PLAIN, sites="")),
    "unknown_place": ("unreadable", CSCL.replace("0.5 0.5 0.5", "? ? ?")),
    "zero_cell": ("degenerate_cell", CSCL.replace("_cell_length_a 4.1", "_cell_length_a 0")),
    "nan_cell": ("degenerate_cell", CSCL.replace("4.1", "nan")),
    "nan_site": ("unreadable", CSCL.replace("0.5 0.5 0.5", "nan 0.5 0.5")),
    "no_edge": ("unreadable", CSCL.replace("_cell_length_a 4.1\n", "")),
    "bad_group": ("unreadable", CSCL.replace("P 1", "F m m 7")),
    "partial": ("disordered", CSCL.replace("0.5 0.5 0.5 1", "0.5 0.5 0.5 0.5")),
    "shared_site": ("disordered", CSCL.replace("0 0 0 1", "0 0 0 0.5\nK1 K 0 0 0 0.5")),
    "overfull": ("unreadable", CSCL.replace("0 0 0 1", "0 0 0 1\nK1 K 0 0 0 1")),
    "deuterium": ("isotope", CSCL.replace("Cl1 Cl", "D1 D").replace("Cs1 Cl1", "Cs1 D1")),
    "unknown": ("unknown_element", CSCL.replace("Cl1 Cl", "X1 ?")),
    "hydroxyl": ("unknown_element", CSCL.replace("Cl1 Cl", "O1 OH")),
    "overlap": ("overlapping_sites", CSCL.replace("0.5 0.5 0.5", "0.005 0 0")),
    "two_blocks": ("several_structures", CSCL + CSCL.replace("data_CsCl", "data_again")),
    "huge": ("too_many_sites", CIF.format(**PLAIN | dict(a=9e3, formula="Cs"), sites=sites_of(1001))),
}  # fmt: skip


def test_no_damaged_cif_stops_the_others(tmp_path):
    files = {f"{name}.cif": text for name, (_, text) in DAMAGED.items()}
    crystals, rejected = read(cif_folder(tmp_path, {**files, "good.CIF": CSCL}))
    assert [crystal.id for crystal in crystals] == ["good"]
    assert {item.id: item.reason for item in rejected} == {name: reason for name, (reason, _) in DAMAGED.items()}
    details = {item.id: item.detail for item in rejected}
    assert "lengths and angles of the cell are [0.0, 4.1" in details["zero_cell"]
    assert details["cut_in_loop"].endswith("has 6 columns, but 10 values; its last one stands in line 18")
    assert all(details.values())


def test_a_cif_of_200_sites_is_read_and_then_screened_out(tmp_path):
    rng = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(*[np.arange(6) / 6] * 3), axis=-1).reshape(-1, 3)[:200]
    places = grid + rng.uniform(-0.02, 0.02, grid.shape)
    sites = "\n".join(
        f"{'Cs Cs' if i % 2 else 'Cl Cl'} {x:.6f} {y:.6f} {z:.6f} 1" for i, (x, y, z) in enumerate(places)
    )
    big = CIF.format(**PLAIN | dict(a=24.0), sites=sites)
    crystals, rejected = read(cif_folder(tmp_path, {"big.cif": big, "small.cif": CSCL}))
    assert ([crystal.n_sites for crystal in crystals], rejected) == ([200, 2], [])
    kept, rejected = screen(crystals)
    assert [crystal.id for crystal in kept] == ["small"]
    assert [(item.id, item.reason) for item in rejected] == [("big", "too_many_sites")]


def test_cifs_and_rows_that_do_not_match_are_both_named(tmp_path):
    csv = (
        "filename,formation_energy_per_atom,K_VRH\n"
        "a.cif,-1.5,20\nb,,\na,-9,9\nsub/c.CIF,-1,\ngone.cif,-1,\nbad.cif,deep,\n"
    )
    files = {name: CSCL for name in ("a.cif", "b.cif", "c.cif", "bad.cif", "alone.cif", "a.CIF")}
    crystals, rejected = read(cif_folder(tmp_path, files, csv))
    assert [crystal.id for crystal in crystals] == ["a", "b", "c"]
    assert crystals[0].formation_energy_per_atom == -1.5
    assert crystals[0].properties == {"K_VRH": 20.0, "spacegroup": 221.0}
    assert math.isnan(crystals[1].formation_energy_per_atom)
    assert sorted((item.id, item.reason) for item in rejected) == [
        ("a", "duplicate_id"),
        ("a", "duplicate_id"),
        ("alone", "no_properties"),
        ("bad", "unreadable"),
        ("gone", "missing_file"),
    ]


@pytest.mark.parametrize(
    ("files", "csv", "message"),
    [
        ({}, "", r"cifs has no \.cif file"),
        ({"a.cif": CSCL}, "", r"cifs has no CSV of properties; add properties\.csv"),
        (
            {"a.cif": CSCL},
            "file,energy\na.cif,1",
            r"properties\.csv lacks the column formation_energy_per_atom",
        ),
        (
            {"a.cif": CSCL},
            "cif,formation_energy_per_atom\na,1",
            r"properties\.csv lacks a column with the names",
        ),
        ({"a.cif": CSCL, "x.csv": "", "y.csv": ""}, "", r"several CSV files \(x\.csv, y\.csv\)"),
        ({"a.cif": ""}, None, r"cifs has no usable crystal: 1 unreadable; for example a: the file is empty"),
    ],
)
def test_a_mistake_about_a_folder_is_one_sentence(tmp_path, files, csv, message):
    with pytest.raises(InputError, match=message):
        read(cif_folder(tmp_path, files, csv))


@pytest.mark.slow
def test_reference_table_leaves_the_consistent_labels(shared):
    """F32: 7,226 rows, of which 6,766 carry labels of one generation; in seconds."""
    start = time.process_time()
    crystals, unread = read(str(shared / "data/mp_cubic.csv.gz"))
    spent = time.process_time() - start
    kept, rejected = screen(crystals)
    assert count_reasons(unread) == {"other_label_generation": 73}
    assert count_reasons(rejected) == {"no_label": 386, "too_many_sites": 1}
    assert len(kept) + len(unread) + len(rejected) == 7226
    assert Counter(crystal.family for crystal in kept) == {"AB": 951, "ABX3": 1305, "ABX2": 4510}
    assert spent < 5.0
    assert min(crystal.fractional.min() for crystal in kept) == 0.0
    assert max(crystal.fractional.max() for crystal in kept) < 1.0
    barium = next(crystal for crystal in kept if crystal.id == "mp-1000")
    assert barium.formula == "BaTe"
    assert barium.lengths.tolist() == [5.01327324, 5.01327394, 5.01327346]
    assert barium.formation_energy_per_atom == -1.7901681999999997
    assert barium.properties["K_VRH"] == -2.0  # as the source has it
    assert barium.properties["spacegroup"] == 225.0
