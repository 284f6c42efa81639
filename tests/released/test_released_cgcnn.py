"""The authors' CGCNN weights against the reference outputs, and files that are not they."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from data_prep.errors import InputError
from data_prep.graphs import crystal_graph, pack_batch
from models.released.cgcnn_weights import load_atom_init, predict_released, released_cgcnn

PROPERTIES = ("formation_energy_per_atom", "energy_per_atom", "bulk_modulus")
NEARLY_AMBIGUOUS = "mp-554140"  # neighbours tied within 0.02 Å
AMBIGUOUS = "mp-1207183"  # a cubic antiperovskite: 12 neighbours at one distance, room for 10


@pytest.fixture(scope="module")
def oracle(shared):
    return json.loads((shared / "reference/icsg3d/oracle.json").read_text())["cgcnn"]


@pytest.fixture(scope="module")
def structures(shared, oracle):
    """The 31 structures of the reference outputs, in their order."""
    table = pd.read_parquet(shared / "data/mp_general.parquet", filters=[("mp_id", "in", oracle["mp_ids"])])
    table = table.set_index("mp_id").loc[oracle["mp_ids"]]
    return [
        Structure(
            Lattice.from_parameters(row.a, row.b, row.c, row.alpha, row.beta, row.gamma),
            row.species.split(),
            np.reshape(row.frac, (-1, 3)),
        )
        for row in table.itertuples()
    ]


@pytest.fixture(scope="module")
def graphs(structures):
    return [crystal_graph(structure, ties="as_found") for structure in structures]


def one_by_one(graphs):
    return [pack_batch([graph]) for graph in graphs]


@pytest.fixture(scope="module")
def energy_model(shared):
    return released_cgcnn(shared / "reference/icsg3d/cgcnn_weights.formation_energy_per_atom.best.hdf5")


@pytest.mark.parametrize("property", PROPERTIES)
def test_released_weights_reproduce_the_reference_outputs(shared, oracle, graphs, property):
    model = released_cgcnn(shared / f"reference/icsg3d/cgcnn_weights.{property}.best.hdf5")
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 36_609
    together = predict_released(model, [pack_batch(graphs)])
    np.testing.assert_allclose(together, oracle[property]["one_batch"], atol=1e-4)
    alone = predict_released(model, one_by_one(graphs))
    np.testing.assert_allclose(alone, oracle[property]["alone"], atol=1e-4)
    assert np.abs(alone - together).max() > 0.1  # F27: the batch decides


def test_padding_changes_nothing_and_ties_change_few_structures(oracle, structures, energy_model):
    ids = oracle["mp_ids"]
    some = [*range(0, 31, 5), ids.index(AMBIGUOUS)]
    reference = np.array(oracle["formation_energy_per_atom"]["alone"])[some]
    graphs = [crystal_graph(structures[i]) for i in some]  # our rule for equal distances
    error = np.abs(predict_released(energy_model, [pack_batch([graph], multiple=200) for graph in graphs]) - reference)
    assert {ids[i] for i, moved in zip(some, error > 1e-3, strict=True) if moved} == {AMBIGUOUS, NEARLY_AMBIGUOUS}
    assert error.max() < 0.1


def test_filling_missing_neighbours_changes_only_structures_that_lack_some(oracle, graphs, energy_model):
    reference = np.array(oracle["formation_energy_per_atom"]["alone"])
    lacking = [place for place, graph in enumerate(graphs) if graph.n_missing]
    assert [oracle["mp_ids"][i] for i in lacking] == ["mp-1097185", "mp-1093843"]
    some = one_by_one([graphs[place] for place in (*lacking, 0, 1, 2)])
    filled = predict_released(energy_model, some, fill_missing=True)
    np.testing.assert_allclose(filled[2:], reference[:3], atol=1e-4)
    assert np.abs(filled[:2] - reference[lacking]).min() > 0.3
    # They were filled when the weights were trained: so they come closer to their energies.
    truth = np.array(oracle["mp_formation_energy"])[lacking]
    assert (np.abs(filled[:2] - truth) < np.abs(reference[lacking] - truth)).all()


def test_element_features_are_read(shared):
    table = load_atom_init(shared / "reference/icsg3d/atom_init.json")
    assert table.shape == (101, 93) and not table[0].any()
    assert (table[1:].sum(1) == 9).all()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"1": [1, 2]}',
        '{"2": [1]}',
        '{"x": []}',
        '{"1": [[1], 2]}',
        '{"1": null}',
        "\x00\xff",
    ],
)
def test_damaged_element_features_are_named(tmp_path, text):
    path = tmp_path / "atom_init.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="atom_init.json"):
        load_atom_init(path)
    with pytest.raises(InputError, match="nowhere.json"):
        load_atom_init(tmp_path / "nowhere.json")


def test_files_of_other_networks_are_named(shared, tmp_path):
    folder = shared / "reference/icsg3d"
    features = folder / "atom_init.json"
    for path in (folder / "vae_weights_mixed.best.hdf5", features, tmp_path / "nowhere.hdf5"):
        with pytest.raises(InputError, match=path.name):
            released_cgcnn(path, features)


def test_damaged_weights_are_named(shared, tmp_path):
    folder = shared / "reference/icsg3d"
    whole = (folder / "cgcnn_weights.bulk_modulus.best.hdf5").read_bytes()
    path = tmp_path / "damaged.hdf5"
    for size in (0, 100, 2_000, 50_000, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="damaged.hdf5"):
            released_cgcnn(path, folder / "atom_init.json")


@pytest.mark.parametrize("change", ["shape", "missing", "nan", "extra"])
def test_changed_weights_are_named(shared, tmp_path, change):
    folder = shared / "reference/icsg3d"
    path = tmp_path / "changed.hdf5"
    path.write_bytes((folder / "cgcnn_weights.bulk_modulus.best.hdf5").read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        layer = next(name for name in group if name.startswith("crystal_graph_conv"))
        names = list(group[layer].attrs["weight_names"])
        matrix = next(name.decode() for name in names if b"graph_conv_weight" in name)
        if change == "nan":
            group[layer][matrix][3, 4] = np.nan
        elif change == "shape":
            del group[layer][matrix]
            group[layer][matrix] = np.zeros((169, 64), np.float32)
        elif change == "missing":
            del group[layer][matrix]
        else:
            group[layer].attrs["weight_names"] = [*names, names[0]]
            group[layer]["more"] = np.zeros(3, np.float32)
            group[layer].attrs["weight_names"] = [*names, b"more"]
    with pytest.raises(InputError, match="changed.hdf5"):
        released_cgcnn(path, folder / "atom_init.json")
