"""The folder of a set of property networks: ``runs/RUN/properties``, ``weights/cgcnn`` (see ``network_folders``)."""

from pathlib import Path

import keras

from data_prep.property_labels import PROPERTIES
from repro.network_folders import (
    PROPERTY_NETWORKS,
    damaged,
    network_names,
    parameters_from_json,
    parameters_to_json,
    read_manifest,
    write_manifest,
    write_weights,
)
from repro.properties.networks import PropertyNetworks, load_network
from repro.properties.prediction_widths import load_widths


def write_property_networks(folder: Path, networks: PropertyNetworks, facts: dict) -> None:
    """Write the networks' weights and their manifest; ``facts`` for it: what they were trained on."""
    files: dict[str, list[str]] = {}
    for name, members in networks.by_property.items():
        files[name] = [f"{one}.weights.h5" for one in network_names(name, len(members))]
        for model, file in zip(members, files[name], strict=True):
            write_weights(model, folder / file)
    manifest = {
        "cgcnn": parameters_to_json(networks.parameters),
        "networks": files,
        "coordinations": networks.coordinations,
    }
    write_manifest(folder, [file for members in files.values() for file in members], manifest | facts)


def load_property_networks(folder: Path = PROPERTY_NETWORKS) -> PropertyNetworks:
    """Read the networks of ``folder``; raises InputError naming a file that is missing, damaged or does not fit."""
    manifest = read_manifest(folder)
    try:
        parameters = parameters_from_json(manifest["cgcnn"])
        seen = {int(z): counts for z, counts in manifest["coordinations"].items()}
        files = {name: list(manifest["networks"][name]) for name in PROPERTIES if name in manifest["networks"]}
        known = all(file in manifest["sha256"] for members in files.values() for file in members)
        if not files or not known:
            raise KeyError("networks")
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise damaged(folder, error) from error
    networks: dict[str, list[keras.Model]] = {
        name: [load_network(parameters, folder / file) for file in members] for name, members in files.items()
    }
    return PropertyNetworks(networks, parameters, seen, load_widths(folder))
