"""The property networks that travel with the project: the folder ``weights/cgcnn`` and its manifest."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from data_prep.errors import InputError
from data_prep.files.atomic import replacing, write_json
from data_prep.files.checksum import file_sha256
from data_prep.property_labels import PROPERTIES
from models.table6 import CGCNNParameters
from repro.properties.networks import load_network

CGCNN_WEIGHTS = Path(__file__).resolve().parents[2] / "weights" / "cgcnn"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class PublishedNetworks:
    """Networks by property, and what they were trained on.

    ``coordinations`` gives, by atomic number, the numbers of nearest neighbours seen in training;
    ``facts`` is what the manifest says besides: source, split, preset.
    """

    networks: dict[str, list[keras.Model]]
    coordinations: dict[int, list[int]]
    facts: dict


def publish(
    folder: Path,
    networks: dict[str, Sequence[keras.Model]],
    parameters: CGCNNParameters,
    coordinations: dict[int, list[int]],
    facts: dict,
) -> None:
    """Write the networks' weights, without the state of their training, and a manifest with checksums."""
    entries = []
    for name, members in networks.items():
        for number, model in enumerate(members, start=1):
            file = f"{name}.weights.h5" if len(members) == 1 else f"{name}-{number}.weights.h5"
            with replacing(folder / file) as temporary:
                model.save_weights(temporary, overwrite=True)
            entries.append({"file": file, "property": name, "sha256": file_sha256(folder / file)})
    manifest = {"parameters": asdict(parameters), "networks": entries, "coordinations": coordinations}
    write_json(folder / MANIFEST, manifest | facts)


def refuse_changed(file: Path, sha256: str) -> None:
    """Raise InputError where a published file is missing or has another checksum."""
    if not file.exists() or file_sha256(file) != sha256:
        state = "damaged" if file.exists() else "missing"
        raise InputError(f"{file} is {state}: clone the project again, or give another folder of networks.")


def load_published(folder: Path = CGCNN_WEIGHTS) -> PublishedNetworks:
    """Read the networks of ``folder``; raises InputError naming a file that is missing, damaged or does not fit."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        parameters = CGCNNParameters(**manifest.pop("parameters"))
        seen = {int(z): counts for z, counts in manifest.pop("coordinations").items()}
        entries = [(one["file"], one["property"], one["sha256"]) for one in manifest.pop("networks")]
    except FileNotFoundError:
        raise InputError(f"{path} is missing: clone the project again, or give a folder of networks.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:  # a JSON fault is a ValueError
        raise InputError(f"{path} is damaged ({error}): clone the project again.") from error
    networks: dict[str, list[keras.Model]] = {}
    for name, property, sha256 in entries:
        file = folder / name
        refuse_changed(file, sha256)
        networks.setdefault(property, []).append(load_network(parameters, file))
    ordered = {name: networks[name] for name in PROPERTIES if name in networks}
    return PublishedNetworks(ordered, seen, manifest)
