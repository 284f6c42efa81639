"""Folders of trained networks: those of a run and those that come with the project have one format.

Such a folder holds files of weights and arrays, and ``manifest.json`` with their checksums and all that is needed
to build the networks again. Publishing a run's networks is copying its folder.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.errors import InputError
from data_prep.files.atomic import replacing, write_json
from data_prep.files.checksum import file_sha256
from models.beyond_paper import NETWORKS, network_name
from models.table6 import CGCNNParameters, UNetParameters, VAEParameters
from repro import stamps

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"  # those that come with the project
GENERATOR = WEIGHTS / "generator"
PROPERTY_NETWORKS = WEIGHTS / "cgcnn-improved"  # that predict and rank by default
PAPERS_PROPERTY_NETWORKS = WEIGHTS / "cgcnn"  # the paper's architecture
UNET = "unet"  # the folder of a generator's UNet, beside the generator's own
PEROV5_GENERATOR = WEIGHTS / "perov5"  # trained on CDVAE's benchmark
PUBLISHED_UNET = WEIGHTS / UNET
MANIFEST = "manifest.json"
WIDTHS = "widths.json"  # of the errors of property networks, beside their manifest

if TYPE_CHECKING:
    import keras

Parameters = VAEParameters | UNetParameters | CGCNNParameters


def unet_beside(generator: Path) -> Path:
    """Return the folder of the UNet that belongs to the folder of a generator."""
    return Path(os.path.normpath(generator / ".." / UNET))


def network_names(name: str, members: int) -> list[str]:
    """Return the names of a property's networks: its own, or numbered ones if there are several."""
    return [name] if members == 1 else [f"{name}-{member}" for member in range(1, members + 1)]


def write_weights(model: "keras.Model", path: Path) -> None:
    """Write a model's weights, without the state of its training, atomically."""
    with replacing(path) as temporary:
        model.save_weights(temporary, overwrite=True)


def write_manifest(folder: Path, files: Sequence[str], facts: dict) -> None:
    """Write the manifest of ``files``, which lie in ``folder`` already: it makes them count."""
    sums = {name: file_sha256(folder / name) for name in files}
    write_json(folder / MANIFEST, {"sha256": sums, **facts, "versions": stamps.versions()})


def read_manifest(folder: Path) -> dict:
    """Return the manifest; raises InputError naming it, or one of its files, when missing, changed or damaged."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        sums = dict(manifest["sha256"])
        if outside := [name for name in sums if Path(name).name != name]:
            raise ValueError(f"{outside[0]} lies in another folder")
    except FileNotFoundError:
        raise InputError(f"{path} is missing: {_remedy(folder)}.") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:  # a JSON fault is a ValueError
        raise damaged(folder, error) from error
    for name, sha256 in sums.items():
        if not (folder / name).is_file() or file_sha256(folder / name) != sha256:
            state = "damaged" if (folder / name).exists() else "missing"
            raise InputError(f"{folder / name} is {state}: {_remedy(folder)}.")
    return manifest


def damaged(folder: Path, error: Exception) -> InputError:
    """Return the error for a manifest that lacks something or holds something else."""
    reason = f"{type(error).__name__}: {error}"
    return InputError(f"{folder / MANIFEST} is damaged or of an earlier version ({reason}): {_remedy(folder)}.")


def _remedy(folder: Path) -> str:
    """Return how to get a folder of networks again: the project's by cloning it, a run's by its stage."""
    own = folder.resolve().is_relative_to(WEIGHTS)
    anew = "clone the project again" if own else "make it anew (a run's with its stage and --again)"
    return f"{anew}, or give another folder of networks"


def identity_of_networks(folder: Path) -> str:
    """Return a hash of all networks in a folder: the manifest has their checksums."""
    path = folder / MANIFEST
    return file_sha256(path) if path.is_file() else "missing"


def identity_of_predictions(folder: Path) -> str:
    """Return a hash of what property networks predict: of themselves, and of how far they may be off."""
    widths = folder / WIDTHS
    return " ".join([identity_of_networks(folder), file_sha256(widths) if widths.is_file() else "no widths"])


def copy_networks(source: Path, target: Path) -> None:
    """Copy a folder of networks, the manifest last; raises InputError when ``source`` is not whole."""
    manifest = read_manifest(source)
    for name in (*manifest["sha256"], MANIFEST):
        with replacing(target / name) as temporary:
            shutil.copyfile(source / name, temporary)
    for path in target.iterdir():
        if path.suffix in (".h5", ".npz") and path.name not in manifest["sha256"]:
            path.unlink()  # of the networks that were there before


def parameters_to_json(parameters: Parameters) -> dict:
    """Return hyperparameters as plain data, with the name of the network that they describe."""
    return {"network": network_name(parameters), **asdict(parameters)}


def parameters_from_json(found: dict) -> Parameters:
    """Return what ``parameters_to_json`` gave; raises KeyError or TypeError for anything else."""
    kind = NETWORKS[found["network"]]
    given = {name: value for name, value in found.items() if name != "network"}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
