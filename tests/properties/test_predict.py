"""python -m repro predict: units, what cannot be, what was never seen, and one bad file among good ones."""

import csv
from dataclasses import replace
from pathlib import Path

import ase.io
import keras
import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from data_prep.coordination import all_coordinations
from data_prep.crystal import crystal_from_structure
from data_prep.element_features import element_features
from data_prep.graphs import crystal_graph
from data_prep.property_labels import PROPERTIES
from models.cgcnn import build_cgcnn, set_target_scale
from models.table6 import CGCNNParameters
from repro.__main__ import main
from repro.network_folders import read_manifest
from repro.properties import predict as predict_command
from repro.properties.crystal_graphs import with_graphs
from repro.properties.network_folder import load_property_networks, write_property_networks
from repro.properties.networks import ZERO_GAP, PropertyNetworks, predict
from tests.support.exit_code import exit_code
from tests.support.made_up_crystals import made_up_crystals
from tests.support.property_networks import predicting
from tests.support.structure_types import perovskite, rock_salt

pytestmark = pytest.mark.slow
TINY = replace(CGCNNParameters(), atom_features=8, hidden=16)
LABELS = {
    "formation_energy_per_atom": (-1.5, 1.0), "energy_per_atom": (-6.0, 1.5), "band_gap": (3.0, 0.3),
    "bulk_modulus": (4.4, 0.6), "shear_modulus": (3.5, 0.7), "poisson_ratio": (0.28, 0.05),
    "refractive_index": (2.2, 0.3), "dielectric_constant": (1.6, 0.4),
}  # fmt: skip
HEADINGS = (
    "id", "formula", "formation_energy_per_atom (eV/atom)", "formation_energy_spread (eV/atom)",
    "energy_per_atom (eV/atom)", "band_gap (eV)", "bulk_modulus (GPa)", "shear_modulus (GPa)", "poisson_ratio",
    "refractive_index", "dielectric_constant", "warning",
)  # fmt: skip
ENERGY, SPREAD = HEADINGS[2:4]
PEROVSKITE = perovskite("Sr", "Fe", "O", 3.9)


def oxide(cation: str = "Mg") -> Structure:
    return rock_salt(cation, "O", 4.2)


SEEN = all_coordinations(crystal_graph(one) for one in (PEROVSKITE, *map(oxide, ("Mg", "Ca", "Sr"))))


def network(name: str, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = build_cgcnn(TINY, element_features())
    mean, std = LABELS[name]
    set_target_scale(model, np.array([mean - std, mean + std]))
    return model


@pytest.fixture(scope="module")
def models() -> dict[str, list[keras.Model]]:
    """Untrained networks in the unit of every property, two of formation energy; a perovskite and oxides were seen."""
    counts = {name: 2 if name.startswith("form") else 1 for name in LABELS}
    return {name: [network(name, seed) for seed in range(count)] for name, count in counts.items()}


@pytest.fixture(scope="module")
def networks(models) -> PropertyNetworks:
    return predicting(models, TINY, SEEN)


@pytest.fixture(scope="module")
def weights(models, tmp_path_factory) -> Path:
    """Those networks, in a folder as though trained on a perovskite and three oxides."""
    folder = tmp_path_factory.mktemp("weights") / "cgcnn"
    write_property_networks(folder, models, TINY, SEEN, {"source": "made up"})
    return folder


@pytest.fixture(scope="module")
def one_network(models, tmp_path_factory) -> Path:
    """As ``weights``, the Poisson ratio's alone: read in a tenth of the time."""
    folder = tmp_path_factory.mktemp("weights") / "one"
    write_property_networks(folder, {"poisson_ratio": models["poisson_ratio"]}, TINY, SEEN, {})
    return folder


@pytest.fixture
def structures(tmp_path) -> Path:
    folder = tmp_path / "structures"
    folder.mkdir()
    oxide().to(str(folder / "b-magnesia.cif"), fmt="cif")
    PEROVSKITE.to(str(folder / "a-ferrate.cif"), fmt="cif")
    return folder


def rows_of(path: Path, weights: Path, out: Path) -> list[dict[str, str]]:
    assert exit_code(main, ["predict", str(path), "--weights", str(weights), "--out", str(out)]) == 0
    with open(out, newline="") as file:
        return list(csv.DictReader(file))


def values(rows: list[dict[str, str]]) -> np.ndarray:
    """The numbers of a CSV (n, 9), the spread last."""
    names = [name for name in HEADINGS[2:-1] if "spread" not in name] + [SPREAD]
    return np.array([[float(row[name]) for name in names] for row in rows])


def arrays(found: dict) -> np.ndarray:
    """The predictions (n, 9) of every property, and the spread of formation energy."""
    return np.stack([*(one.values for one in found.values()), found["formation_energy_per_atom"].spread], axis=1)


def test_the_csv_has_units_and_physical_values(structures, weights, networks, tmp_path, capsys):
    rows = rows_of(structures, weights, tmp_path / "out.csv")
    printed = capsys.readouterr()
    assert printed.err == "" and "2 predicted, 0 left out" in printed.out
    assert tuple(rows[0]) == HEADINGS
    assert [row["formula"] for row in rows] == ["SrFeO3", "MgO"]
    graphs = [crystal_graph(structure) for structure in (PEROVSKITE, oxide())]
    each = predict(networks.by_property["formation_energy_per_atom"], graphs)
    np.testing.assert_allclose([float(row[ENERGY]) for row in rows], each.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose([float(row[SPREAD]) for row in rows], each.std(axis=0, ddof=1), rtol=1e-3)
    for name in ("bulk_modulus", "shear_modulus", "dielectric_constant"):  # learned as natural logarithms
        unit = " (GPa)" if PROPERTIES[name].unit else ""
        found = np.array([float(row[name + unit]) for row in rows])
        assert (found > 0).all()
        np.testing.assert_allclose(np.log(found), predict(networks.by_property[name], graphs)[0], atol=1e-3)
    assert exit_code(main, ["predict", str(structures), "--weights", str(weights)]) == 0
    assert capsys.readouterr().out == (tmp_path / "out.csv").read_text()  # the same table on the screen


def test_rows_follow_the_order_of_the_files(weights, networks, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    crystals = made_up_crystals(9)
    for place in (4, 8, 0, 2, 6, 1, 3, 7, 5):  # cells of 2, 4 and 5 sites in turn
        crystals[place].structure().to(str(folder / f"{place}.cif"), fmt="cif")
    rows = rows_of(folder, weights, tmp_path / "out.csv")
    assert [row["id"] for row in rows] == [f"{place}.cif" for place in range(9)]
    assert [row["formula"] for row in rows] == [crystal.formula for crystal in crystals]
    alone = [arrays(networks.predict([crystal_graph(crystal)]))[0] for crystal in crystals]
    np.testing.assert_allclose(values(rows), alone, rtol=1e-3)  # four digits are printed


def test_a_stopped_prediction_goes_on_and_gives_the_same_table(one_network, tmp_path, monkeypatch):
    folder, asked = tmp_path / "many", []
    folder.mkdir()
    for place, crystal in enumerate(made_up_crystals(7)):
        crystal.structure().to(str(folder / f"{place}.cif"), fmt="cif")
    whole = rows_of(folder, one_network, tmp_path / "whole.csv")
    answer = PropertyNetworks.predict

    def stopping(networks, graphs):
        asked.append(len(graphs))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return answer(networks, graphs)

    monkeypatch.setattr(predict_command, "KEPT_AFTER", 2)
    monkeypatch.setattr(PropertyNetworks, "predict", stopping)
    command = ["predict", str(folder), "--weights", str(one_network), "--out", str(tmp_path / "parts.csv")]
    assert exit_code(main, command) == 2
    kept = tmp_path / ".parts.csv.jsonl"
    assert kept.exists() and not (tmp_path / "parts.csv").exists()
    assert rows_of(folder, one_network, tmp_path / "parts.csv") == whole
    assert asked == [2, 2, 2, 2, 1] and not kept.exists()  # of the last three, the rest


def test_an_answer_does_not_depend_on_the_other_crystals(networks):
    graphs = [crystal_graph(crystal) for crystal in made_up_crystals(30)]
    graphs.append(crystal_graph(oxide() * (2, 3, 1)))
    together = arrays(networks.predict(graphs))
    assert together[:, :8].std(axis=0).min() > 1e-3
    for place in (0, 1, 2, 30):
        np.testing.assert_allclose(arrays(networks.predict([graphs[place]]))[0], together[place], rtol=1e-5)
    backwards = arrays(networks.predict(graphs[::-1]))[::-1]
    np.testing.assert_allclose(backwards, together, rtol=1e-5)


def test_without_a_band_gap_there_is_no_refractive_index(networks):
    graphs = [crystal_graph(crystal) for crystal in made_up_crystals(8)]
    gap = network("band_gap", 0)
    scale = gap.get_layer("target_scale")
    of_gap = predicting({"band_gap": [gap]}, TINY).by_property
    scale.mean.assign(float(scale.mean) + ZERO_GAP - np.median(predict(of_gap["band_gap"], graphs)))  # of the eight
    of_gap = predicting({"band_gap": [gap]}, TINY).by_property
    (raw,) = predict(of_gap["band_gap"], graphs)
    found = replace(networks, by_property=networks.by_property | of_gap).predict(graphs)
    metal = raw < ZERO_GAP
    assert metal.sum() == 4
    np.testing.assert_array_equal(found["band_gap"].values, np.where(metal, 0, raw))
    whole = networks.predict(graphs)
    for name in ("refractive_index", "dielectric_constant"):
        np.testing.assert_array_equal(np.isnan(found[name].values), metal)
        np.testing.assert_allclose(found[name].values[~metal], whole[name].values[~metal], rtol=1e-6)
    for name in ("formation_energy_per_atom", "bulk_modulus", "shear_modulus", "poisson_ratio"):
        np.testing.assert_array_equal(found[name].values, whole[name].values)
    assert found["formation_energy_per_atom"].spread.shape == (8,) and found["band_gap"].spread is None


def test_what_training_never_saw_is_said(one_network, tmp_path, capsys):
    folder = tmp_path / "odd"
    folder.mkdir()
    oxide("Eu").to(str(folder / "europia.cif"), fmt="cif")
    chloride = Structure(Lattice.cubic(2.7), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])  # eight neighbours each
    chloride.to(str(folder / "magnesia.cif"), fmt="cif")
    oxide().to(str(folder / "plain.cif"), fmt="cif")
    rows = {row["id"]: row["warning"] for row in rows_of(folder, one_network, tmp_path / "out.csv")}
    assert rows["europia.cif"] == "Eu was never seen in training"
    assert rows["magnesia.cif"] == (
        "O with 8 nearest neighbours was never seen in training; "
        "Mg with 8 nearest neighbours was never seen in training"
    )
    assert rows["plain.cif"] == ""
    said = capsys.readouterr().err.splitlines()
    assert said == [f"{id}: {text}" for id, text in rows.items() if text]


def test_one_bad_file_does_not_stop_the_others(structures, weights, networks, tmp_path, capsys):
    (structures / "aa-broken.cif").write_text("data_x\n_cell_length_a 4.0\n")
    (structures / "POSCAR-empty").write_text("")
    (structures / "notes.txt").write_text("no structure\n")
    heavy = oxide(Element.from_Z(95).symbol)  # americium
    heavy.to(str(structures / "z-heavy.cif"), fmt="cif")
    rows = rows_of(structures, weights, tmp_path / "out.csv")
    printed = capsys.readouterr()
    assert [row["id"] for row in rows] == ["a-ferrate.cif", "b-magnesia.cif"]
    expected = arrays(networks.predict([crystal_graph(PEROVSKITE), crystal_graph(oxide())]))
    np.testing.assert_allclose(values(rows), expected, rtol=1e-3)
    left_out = {line.split(":")[0] for line in printed.err.splitlines()}
    assert left_out == {"aa-broken.cif", "POSCAR-empty", "z-heavy.cif", "notes.txt"}
    assert "z-heavy.cif: left out, no graph" in printed.err and "1..94" in printed.err
    assert "2 predicted, 4 left out" in printed.out


def test_several_paths_and_a_folder_of_candidates_are_predicted_under_their_ids(one_network, tmp_path, capsys):
    for folder in ("generated", "other"):
        (tmp_path / folder / "cifs").mkdir(parents=True)
        oxide().to(str(tmp_path / folder / "cifs" / "c-3-MgO.cif"), fmt="cif")
    (tmp_path / "generated" / "candidates.csv").write_text("rank,id,file\n1,c-3,cifs/c-3-MgO.cif\n")
    paths = [str(tmp_path / name) for name in ("generated", "other")]
    assert exit_code(main, ["predict", *paths, "--weights", str(one_network)]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["id"] for row in rows] == ["c-3", "cifs/c-3-MgO.cif"]
    assert len({row["poisson_ratio"] for row in rows}) == 1


def test_a_file_whose_frames_are_not_all_read_ends_with_2_after_the_rest(one_network, tmp_path, capsys):
    good, empty = write_frames(tmp_path / "two.extxyz"), tmp_path / "empty.cif"
    empty.write_text("")
    out = tmp_path / "out.csv"
    asked = ["predict", str(good), "--weights", str(one_network), "--out", str(out)]
    assert exit_code(main, asked) == 0 and len(out.read_text().splitlines()) == 3
    good.write_text(good.read_text().replace("Mg", "Xx", 1))
    for paths in ([str(good)], [str(good), str(empty)]):
        out.unlink()
        assert exit_code(main, ["predict", *paths, *asked[2:]]) == 2
        said = capsys.readouterr()
        assert "1 predicted" in said.out and len(out.read_text().splitlines()) == 2
        assert said.err.splitlines()[-1].startswith(f"{good} was not read as a whole, see above (left out: 1)")


def write_frames(path):
    """Write magnesia twice as extended XYZ and return the path."""
    ase.io.write(path, [AseAtomsAdaptor.get_atoms(oxide())] * 2)
    return path


def test_only_bad_files_stop_it(weights, tmp_path, capsys):
    folder = tmp_path / "bad"
    folder.mkdir()
    for name in ("one.cif", "two.cif"):
        (folder / name).write_text("garbage\n")
    out = tmp_path / "out.csv"
    assert exit_code(main, ["predict", str(folder), "--weights", str(weights), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "nothing can be predicted; all 2 structures were left out" in error
    assert "one.cif: left out, unreadable" in error and "Traceback" not in error and not out.exists()


def test_a_large_cell_that_is_not_primitive_is_reduced(networks, one_network, tmp_path):
    large = PEROVSKITE * (3, 2, 2)
    assert len(large) == 60
    path = tmp_path / "large.cif"
    large.to(str(path), fmt="cif")
    assert rows_of(path, one_network, tmp_path / "out.csv")[0]["formula"] == "SrFeO3"
    drawn, rejected = with_graphs([crystal_from_structure(large, "large"), crystal_from_structure(PEROVSKITE, "small")])
    assert rejected == [] and [graph.n_sites for _, graph in drawn] == [5, 5]
    big, small = arrays(networks.predict([graph for _, graph in drawn]))
    np.testing.assert_allclose(big, small, rtol=1e-4)


def test_a_large_cell_whose_sites_are_moved_is_not_taken_for_the_ideal_one():
    large = PEROVSKITE * (3, 2, 2)
    large.perturb(0.1)
    drawn, [only] = with_graphs([crystal_from_structure(large, "moved")])
    assert drawn == [] and "60 sites" in only.detail


def test_a_cell_of_up_to_fifty_sites_is_taken_as_it_is(networks):
    supercell = PEROVSKITE * (5, 2, 1)
    drawn, _ = with_graphs([crystal_from_structure(supercell, "fifty"), crystal_from_structure(PEROVSKITE, "small")])
    assert [graph.n_sites for _, graph in drawn] == [50, 5]
    big, small = arrays(networks.predict([graph for _, graph in drawn]))
    np.testing.assert_allclose(big, small, rtol=1e-4)


def test_a_cell_of_five_hundred_different_sites_is_refused(weights, tmp_path, capsys):
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(8)] * 3), axis=-1).reshape(-1, 3)[:500] / 8
    species = [Element.from_Z(int(z)) for z in rng.integers(3, 90, 500)]
    path = tmp_path / "POSCAR"
    Structure(Lattice.cubic(24.0), species, grid + rng.uniform(-0.02, 0.02, (500, 3))).to(str(path), fmt="poscar")
    assert exit_code(main, ["predict", str(path), "--weights", str(weights)]) == 2
    error = capsys.readouterr().err
    assert "500 sites, the networks were trained on at most 50" in error
    assert "its structure was left out" in error and "Traceback" not in error


@pytest.mark.parametrize("arguments", [["nothing.cif"], ["structures", "--weights", "nowhere"]])
def test_a_missing_file_or_folder_gets_a_sentence(structures, weights, monkeypatch, capsys, arguments):
    monkeypatch.chdir(structures.parent)
    assert exit_code(main, ["predict", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert arguments[-1] in error and ("does not exist" in error or "is missing" in error)
    assert error.count("\n") == 0


def test_networks_from_a_folder_answer_as_the_ones_they_came_from(networks, weights):
    found = load_property_networks(weights)
    assert list(found.by_property) == list(PROPERTIES) and found.parameters == TINY
    facts = read_manifest(weights)
    assert facts["source"] == "made up"
    assert facts.keys() == {"sha256", "cgcnn", "networks", "coordinations", "source", "versions"}
    assert found.coordinations == SEEN and found.coordinations[12] == [6] and 6 in found.coordinations[8]
    graphs = [crystal_graph(crystal) for crystal in made_up_crystals(6)]
    np.testing.assert_array_equal(*(arrays(nets.predict(graphs)) for nets in (found, networks)))
