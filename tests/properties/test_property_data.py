"""The stage graphs: crystals of every kind, the labels of all properties, one split, and what is left out."""

import csv
import json
import math
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.files.checksum import file_sha256
from data_prep.graphs import Graph, crystal_graph, try_graphs
from data_prep.property_labels import PROPERTIES
from data_prep.total_energy import without_corrections
from repro.properties.property_data import (
    CRYSTALS,
    GRAPHS,
    LABELS,
    MANIFEST,
    load_property_crystals,
    load_property_data,
)
from tests.support.made_up_crystals import made_up_crystals
from tests.support.pipeline import RUN, repro, small_source

OUT = Path("runs/test/graphs")
CUBE = dict(a=4.0, b=4.0, c=4.0, alpha=90, beta=90, gamma=90, formation_energy_per_atom=-1.0)
CSCL = dict(species="Cs Cl", frac="0 0 0 .5 .5 .5")
VALUES = {
    "made-000": dict(K_VRH=100, G_VRH=50, poisson_from_KG=0.286, band_gap=0, refractive_index=1.5, poly_electronic=2),
    "made-001": dict(K_VRH=-2, G_VRH=50, poisson_from_KG=0.2, band_gap=1.25),
    "made-002": dict(K_VRH=0, poisson_from_KG=0.3),
    "made-003": dict(K_VRH=1000, G_VRH=-7, energy_per_atom_derived=-4.0),
    "made-004": dict(bulk_modulus_eos=80, band_gap=-0.5, energy_per_atom=-5.5, energy_per_atom_derived=-9),
}


def grid(count: int) -> str:
    places = np.stack(np.meshgrid(*[np.arange(4) / 4] * 3), axis=-1).reshape(-1, 3)[:count]
    return " ".join(f"{x}" for x in places.ravel())


def large(count: int) -> dict:
    return CUBE | dict(a=12, b=12, c=12, species=" ".join(["Na"] * count), frac=grid(count))


ZINC_OXIDE = dict(
    id="wurtzite", spacegroup=186, a=3.25, b=3.25, c=5.2, alpha=90, beta=90, gamma=120, species="Zn Zn O O",
    frac=".33333333 .66666667 0 .66666667 .33333333 .5 .33333333 .66666667 .38 .66666667 .33333333 .88",
    formation_energy_per_atom=-1.8,
)  # fmt: skip
KEPT = [
    ZINC_OXIDE,
    large(45) | dict(id="of-45-sites"),
    CUBE | dict(id="alone", a=20, b=20, c=20, species="Kr", frac="0 0 0"),
    CUBE | dict(id="unlabelled", formation_energy_per_atom="", band_gap=3.5, species="K F", frac="0 0 0 .5 .5 .5"),
    *(CUBE | CSCL | dict(id=f"polymorph-{n}", a=4 + n / 10) for n in range(5)),
]
LEFT_OUT = {
    "too_many_sites": large(60) | dict(id="of-60-sites"),
    "overlapping_sites": CUBE | dict(id="overlap", species="Cs Cl", frac="0 0 0 .01 0 0"),
    "element_out_of_range": CUBE | dict(id="curium", species="Cm", frac="0 0 0"),
    "degenerate_cell": CUBE | CSCL | dict(id="impossible", alpha=120, beta=120, gamma=150),
    "no_graph": CUBE | CSCL | dict(id="tiny", a=0.55, b=0.55, c=0.55),
    "isotope": CUBE | dict(id="heavy", species="Li D", frac="0 0 0 .5 .5 .5"),
    "other_label_generation": CUBE | CSCL | dict(id="later", ef_source="mp_2021_corrections"),
    "duplicate_id": CUBE | CSCL | dict(id="made-000"),
}


def write_source(folder: Path) -> None:
    """Made-up crystals, five of them with further properties, and rows of every other kind."""
    with open(small_source(folder), newline="") as file:
        rows = [row | VALUES.get(row["id"], {}) for row in csv.DictReader(file)]
    rows += [*KEPT, *LEFT_OUT.values()]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with open(folder / "crystals.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder in which the stage has run."""
    folder = tmp_path_factory.mktemp("graphs")
    write_source(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert repro("graphs") == 0
    return folder


@pytest.fixture
def here(made, monkeypatch):
    monkeypatch.chdir(made)


@pytest.fixture
def copy(made, tmp_path, monkeypatch):
    """A copy that a test may damage."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def test_crystals_of_every_kind_are_kept_and_counted(here):
    counts = json.loads((OUT / MANIFEST).read_text())
    assert counts["read"] == 45 + len(KEPT) + len(LEFT_OUT)
    assert counts["used"] == 45 + len(KEPT) == sum(counts["parts"].values())
    assert counts["rejected"] == dict.fromkeys(LEFT_OUT, 1)
    assert counts["left out by the preset's limit"] == 0
    assert counts["lacking neighbours"] == 1  # krypton alone
    ids = [crystal.id for crystal in load_property_crystals(RUN)]
    assert ids == [f"made-{n:03d}" for n in range(45)] + [row["id"] for row in KEPT]
    done = json.loads((OUT / "done.json").read_text())
    assert {"sha256": counts["sha256"]} | done["counts"] == counts


def test_what_is_left_out_is_named_with_its_reason(here):
    with open(OUT / "rejected.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["reason"]: row["id"] for row in rows} == {reason: row["id"] for reason, row in LEFT_OUT.items()}
    details = {row["reason"]: row["detail"] for row in rows}
    assert details["too_many_sites"] == "60 sites, at most 50 are used"
    assert details["no_graph"] == "tiny: 0.166 Å^3 for 2 sites is no crystal; check the cell."


def test_labels_are_those_of_the_source_and_bad_ones_are_dropped(here):
    data, counts = load_property_data(RUN), json.loads((OUT / MANIFEST).read_text())
    assert list(data.labels) == list(PROPERTIES)
    of = {graph.id: place for place, graph in enumerate(data.graphs)}
    expected = {
        "bulk_modulus": {"made-000": math.log(100), "made-004": math.log(80)},
        "shear_modulus": {"made-000": math.log(50), "made-001": math.log(50)},
        "poisson_ratio": {"made-000": 0.286},
        "band_gap": {"made-000": 0.0, "made-001": 1.25, "unlabelled": 3.5},
        "refractive_index": {"made-000": 1.5},
        "dielectric_constant": {"made-000": math.log(2)},
    }
    for name, wanted in expected.items():
        labels = {id: data.labels[name][place] for id, place in of.items() if np.isfinite(data.labels[name][place])}
        assert labels == pytest.approx(wanted), name
        assert counts["labels"][name] == len(labels)
    assert counts["unphysical labels dropped"] == {
        "bulk_modulus": 3, "shear_modulus": 1, "poisson_ratio": 2, "band_gap": 1
    }  # fmt: skip
    total = data.labels["energy_per_atom"]
    corrected = without_corrections(load_property_crystals(RUN)[of["made-003"]].structure(), -4.0)
    assert (total[of["made-003"]], total[of["made-004"]]) == (corrected, -5.5) and np.isfinite(total).sum() == 2
    missing = np.flatnonzero(np.isnan(data.labels["formation_energy_per_atom"]))
    assert [data.graphs[place].id for place in missing] == ["unlabelled"]
    assert data.labels["formation_energy_per_atom"][of["wurtzite"]] == -1.8


def test_one_split_by_formula_serves_all_properties(here):
    data, crystals = load_property_data(RUN), load_property_crystals(RUN)
    sides = defaultdict(set)
    for crystal, part in zip(crystals, data.parts, strict=True):
        sides[crystal.formula].add(str(part))
    assert all(len(parts) == 1 for parts in sides.values())
    of_formulas = [next(iter(parts)) for parts in sides.values()]
    n_test = round(0.16 * len(sides))  # of formulas, the preset's shares
    assert (of_formulas.count("test"), of_formulas.count("validation")) == (n_test, round(0.08 * (len(sides) - n_test)))
    for name, labels in data.labels.items():
        found = {part: data.labelled(name, part) for part in ("train", "validation", "test")}
        assert np.isfinite(labels[np.concatenate(list(found.values()))]).all()
        assert sum(map(len, found.values())) == np.isfinite(labels).sum(), name
        assert all((data.parts[places] == part).all() for part, places in found.items())


def test_the_graphs_are_those_of_the_crystals(here):
    data, crystals = load_property_data(RUN), load_property_crystals(RUN)
    assert [graph.id for graph in data.graphs] == [crystal.id for crystal in crystals]
    for graph, crystal in list(zip(data.graphs, crystals, strict=True))[::7]:
        np.testing.assert_array_equal(graph.distances, crystal_graph(crystal).distances)


def test_the_manifest_tells_the_true_checksums(here):
    checksums = json.loads((OUT / MANIFEST).read_text())["sha256"]
    assert checksums == {name: file_sha256(OUT / name) for name in (GRAPHS, CRYSTALS, LABELS)}


def test_running_again_gives_the_same_files(copy, capsys):
    before = json.loads((OUT / MANIFEST).read_text())
    assert repro("graphs") == 0
    assert "up to date" in capsys.readouterr().out
    assert repro("graphs", "--again") == 0
    again = json.loads((OUT / MANIFEST).read_text())
    same = load_property_data(RUN)
    assert again["parts"] == before["parts"] and again["labels"] == before["labels"]
    assert again["sha256"][GRAPHS] == file_sha256(OUT / GRAPHS) and len(same.graphs) == before["used"]


@pytest.mark.parametrize("name", [GRAPHS, LABELS])
def test_a_damaged_file_is_refused_in_one_sentence(copy, capsys, name):
    whole = bytearray((OUT / name).read_bytes())
    whole[len(whole) // 2] ^= 255
    (OUT / name).write_bytes(whole)
    assert repro("train-cgcnn") == 2
    assert capsys.readouterr().err.strip() == f"{OUT / name} is damaged: run the stage graphs with --again."
    assert repro("graphs", "--again") == 0
    assert np.isfinite(load_property_data(RUN).labels["band_gap"]).sum() == 3


def test_missing_files_are_named(copy):
    (OUT / CRYSTALS).write_bytes(b"")
    with pytest.raises(InputError, match=r"crystals\.npz is damaged"):
        load_property_crystals(RUN)
    (OUT / LABELS).unlink()
    with pytest.raises(InputError, match=r"is not complete .*labels\.npz.*run the stage graphs with --again"):
        load_property_data(RUN)
    (OUT / MANIFEST).write_text('{"sha256"')
    with pytest.raises(InputError, match=r"graphs is not complete"):
        load_property_crystals(RUN)


def test_a_bad_cell_gives_its_error_and_the_others_their_graphs():
    crystals = made_up_crystals(5)
    crystals[1] = replace(crystals[1], lengths=np.array([4.0, np.nan, 4.0]))
    crystals[3] = replace(crystals[3], angles=np.array([120.0, 120.0, 150.0]))
    found = try_graphs(crystals, processes=1)
    assert [type(one) for one in found] == [Graph, InputError, Graph, InputError, Graph]
    assert str(found[1]) == "made-001: the cell or a coordinate is not a finite number."
    assert str(found[3]) == "made-003: 0 Å^3 for 2 sites is no crystal; check the cell."
    assert [one.id for one in found[::2]] == ["made-000", "made-002", "made-004"]
