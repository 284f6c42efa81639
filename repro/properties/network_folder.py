"""The folder of a set of property networks: ``runs/RUN/properties``, ``weights/cgcnn`` (see ``network_folders``)."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.errors import InputError
from data_prep.property_labels import PROPERTIES
from models.forward.cgcnn import CrystalGraphNetwork
from models.table6 import CGCNNParameters
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
from repro.properties.networks import PropertyNetworks
from repro.properties.prediction_widths import load_widths
from repro.stored_weights import read_network

if TYPE_CHECKING:
    import keras

    from repro.run import Run


def write_property_networks(
    folder: Path,
    models: Mapping[str, Sequence["keras.Model"]],
    parameters: CGCNNParameters,
    coordinations: Mapping[int, Sequence[int]],
    facts: dict,
) -> None:
    """Write the weights of trained models by property, and their manifest; ``facts``: what they were trained on."""
    files: dict[str, list[str]] = {}
    for name, members in models.items():
        files[name] = [f"{one}.weights.h5" for one in network_names(name, len(members))]
        for model, file in zip(members, files[name], strict=True):
            write_weights(model, folder / file)
    manifest = {
        "cgcnn": parameters_to_json(parameters),
        "networks": files,
        "coordinations": coordinations,
    }
    write_manifest(folder, [file for members in files.values() for file in members], manifest | facts)


def load_property_networks(folder: Path = PROPERTY_NETWORKS, calibrated: bool = True) -> PropertyNetworks:
    """Read the networks of ``folder``; raises InputError naming a file that is missing, damaged or does not fit.

    Their widths are read as well, unless they are about to be measured (``calibrated`` is False).
    """
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
    build = partial(CrystalGraphNetwork, parameters)
    networks = {name: [read_network(folder / file, build) for file in members] for name, members in files.items()}
    return PropertyNetworks(networks, parameters, seen, load_widths(folder) if calibrated else {})


def require_split(manifest: dict, weights: Path, run: "Run", consequence: str) -> dict[str, int | str]:
    """Return the run's split if the networks of ``weights`` were trained on it and on its source.

    Raises InputError, ending with the ``consequence``, if they were not: its crystals are then not held out.
    """
    split = {"by": run.preset.property_data.split_by, "seed": run.preset.seed}
    found = manifest.get("source"), {name: manifest.get("split", {}).get(name) for name in split}
    if found != (run.source_name, split):
        raise InputError(
            f"{weights} was trained on {found[0]} with the split {found[1]}, not on {run.source_name} with {split}: "
            f"{consequence}."
        )
    return split
