"""The folder of a UNet, beside that of the generator which uses it: ``runs/RUN/unet``, ``weights/unet``.

The paper's UNet is 62 MB even in half precision, so it lies apart: it stays where it is if the rest of the generator
is made anew, and it is read only when a map is segmented.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.errors import InputError
from data_prep.files.checksum import file_sha256
from models.table6 import UNetParameters
from repro.backend import start_backend
from repro.network_folders import damaged, parameters_from_json, parameters_to_json, read_manifest, write_manifest

if TYPE_CHECKING:
    import keras

WEIGHTS = "unet.npz"


def write_unet(folder: Path, model: "keras.Model", parameters: UNetParameters, radii: str, facts: dict) -> str:
    """Write a UNet for maps of the table ``radii``, and ``facts`` about its training; return its checksum."""
    from repro.training.named_weights import write_named_weights

    write_named_weights(model, folder / WEIGHTS)
    write_manifest(folder, [WEIGHTS], {"unet": parameters_to_json(parameters), "radii": radii, **facts})
    return file_sha256(folder / WEIGHTS)


def lazy_unet(folder: Path, checksum: str) -> Callable[[], "keras.Model"]:
    """Return a function that reads the UNet at its first call, which may raise what ``load_unet`` does."""
    return cache(lambda: load_unet(folder, checksum))


def load_unet(folder: Path, checksum: str) -> "keras.Model":
    """Return the UNet of a folder; raises InputError if it is missing, damaged, or not the one of this checksum."""
    manifest = read_manifest(folder)
    if manifest["sha256"].get(WEIGHTS) != checksum:
        raise InputError(
            f"{folder / WEIGHTS} is another UNet than the generator was made with: put them together again."
        )
    start_backend()  # nothing else that generates needs it
    from repro.training.named_weights import load_named_weights
    from repro.training.train_unet import build_segmenter

    try:
        model = build_segmenter(parameters_from_json(manifest["unet"]), manifest["radii"])
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(folder, error) from error
    load_named_weights(model, folder / WEIGHTS)
    return model
