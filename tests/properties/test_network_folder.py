"""The folder of a set of property networks: what is written comes back, and earlier versions are refused."""

import json
import shutil

import keras
import numpy as np
import pytest

from data_prep.element_features import element_features
from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.graphs import crystal_graph
from models.beyond_paper import ImprovedCGCNNParameters
from models.cgcnn import build_cgcnn
from models.table6 import CGCNNParameters
from repro.network_folders import read_manifest
from repro.properties.network_folder import load_property_networks, write_property_networks
from repro.properties.networks import predict
from tests.support.made_up_crystals import made_up_crystals
from tests.support.property_networks import predicting

PAPER = CGCNNParameters(atom_features=4, hidden=4)
IMPROVED = ImprovedCGCNNParameters(atom_features=4, hidden=4, learned_elements=True, readout="attention")


SEEN = {8: [4, 6]}


def made_up(parameters: CGCNNParameters) -> dict[str, list[keras.Model]]:
    """Return three networks that were never trained, two of formation energy."""
    models = [build_cgcnn(parameters, element_features()) for _ in range(3)]
    return {"formation_energy_per_atom": models[:2], "band_gap": models[2:]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("networks")
    write_property_networks(path, made_up(PAPER), PAPER, SEEN, {"source": "made up"})
    return path


@pytest.fixture
def copy(folder, tmp_path):
    """A folder of its own for a test that spoils it."""
    shutil.copytree(folder, tmp_path / "networks")
    return tmp_path / "networks"


@pytest.mark.parametrize(("parameters", "name"), [(PAPER, "cgcnn"), (IMPROVED, "improved_cgcnn")])
def test_what_is_written_comes_back(tmp_path, parameters, name):
    models = made_up(parameters)
    write_property_networks(tmp_path, models, parameters, SEEN, {"source": "made up"})
    found, manifest = load_property_networks(tmp_path), read_manifest(tmp_path)
    assert manifest["cgcnn"]["network"] == name and manifest["source"] == "made up"
    assert (found.parameters, found.coordinations) == (parameters, SEEN)
    assert list(found.by_property) == ["formation_energy_per_atom", "band_gap"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "formation_energy_per_atom-1.weights.h5", "formation_energy_per_atom-2.weights.h5", "band_gap.weights.h5",
        "manifest.json",
    }  # fmt: skip
    graphs = [crystal_graph(crystal) for crystal in made_up_crystals(3)]
    for property, members in predicting(models, parameters).by_property.items():
        np.testing.assert_array_equal(predict(found.by_property[property], graphs), predict(members, graphs))


@pytest.mark.parametrize(
    "changes",
    [
        {"cgcnn": {"atom_features": 4}}, {"cgcnn": {"network": "deep_cgcnn"}}, {"cgcnn": []},
        {"cgcnn": {"network": "cgcnn", "members": 5}}, {"networks": {}}, {"networks": []},
        {"networks": {"band_gap": ["elsewhere.weights.h5"]}}, {"networks": {"band_gap": 3}},
        {"coordinations": {"O": [4]}}, {"coordinations": []},
    ],
)  # fmt: skip
def test_a_manifest_of_an_earlier_version_is_named_with_what_to_do(copy, changes):
    path = copy / "manifest.json"
    write_json(path, json.loads(path.read_text()) | changes)
    with pytest.raises(InputError) as stop:
        load_property_networks(copy)
    said = str(stop.value)
    assert said.startswith(f"{path} is damaged or of an earlier version (") and "\n" not in said
    assert said.endswith("or give another folder of networks.")


def test_networks_of_another_size_are_named(copy):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    write_json(path, manifest | {"cgcnn": manifest["cgcnn"] | {"hidden": 5}})
    with pytest.raises(InputError, match=r"formation_energy_per_atom-1\.weights\.h5 cannot be loaded"):
        load_property_networks(copy)
