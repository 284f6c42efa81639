"""Take a UNet and a VAE that were trained outside the project into a run, as if they had been trained there.

The folder holds ``unet.npz`` and ``vae_structured.npz`` (see ``named_weights``) and ``log.json``: the card under
``machine``, and under ``unet`` and ``vae_structured`` the ``samples`` and ``seconds`` of each training.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras

from data_prep.errors import InputError
from data_prep.files.checksum import file_sha256
from data_prep.files.json_files import read_json
from repro.network_folders import write_weights
from repro.run import Run
from repro.stages import run_stage
from repro.training.dataset import Dataset, load_dataset
from repro.training.fit import BEST, forget_training
from repro.training.named_weights import load_named_weights
from repro.training.train_unet import build_segmenter
from repro.training.train_vae import build_vae

LOG = "log.json"


@dataclass(frozen=True)
class Imported:
    """A network of the folder: its file, and its name in the log."""

    file: str
    name: str


NETWORKS = {"train-unet": Imported("unet.npz", "unet"), "train-vae": Imported("vae_structured.npz", "vae_structured")}


def import_networks(run: Run, folder: Path, stages: tuple[str, ...] = tuple(NETWORKS), again: bool = False) -> None:
    """Finish the run's ``stages`` with the networks of ``folder``; ``again`` replaces others.

    The stages data and voxelize must be done. Raises InputError naming a file that is missing, damaged or does not
    fit the preset, and if the log counts other held-out or training crystals than the run has.
    """
    log = read_json(folder / LOG, f"give the folder that holds {LOG} and the networks")
    for stage in stages:
        make = partial(_taken_over, stage=stage, network=NETWORKS[stage], folder=folder, log=log)
        run_stage(stage, run, again, make)


def _taken_over(run: Run, stage: str, network: Imported, folder: Path, log: Any) -> dict:
    """Write the best weights of ``stage`` from a file of ``folder`` and return what the log counts."""
    dataset, entry = load_dataset(run), _entry(log, network.name, folder / LOG)
    _refuse_other_crystals(dataset, entry, folder / LOG)
    model = _untrained(run, stage)
    load_named_weights(model, folder / network.file)
    forget_training(run.folder(stage))
    write_weights(model, run.folder(stage) / BEST)
    return {
        "parameters": model.count_params(),
        "epochs": max(1, round(entry["samples"] / len(dataset.train))),  # passes over the training part
        "samples": entry["samples"],
        "seconds": round(entry["seconds"]),
        "card": log["machine"],
        "imported": {name: file_sha256(folder / name) for name in (network.file, LOG)},
    }


def _entry(log: Any, name: str, path: Path) -> dict:
    """Return what the log counts of one training; raises InputError if it lacks something."""
    try:
        entry = log[name]
        if not isinstance(log["machine"], str):
            raise ValueError("machine is no text")
        for key in ("samples", "seconds"):
            if isinstance(entry[key], bool) or not isinstance(entry[key], int | float) or not entry[key] > 0:
                raise ValueError(f"{key} of {name} is no number above 0")
        return entry
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no log of trained networks ({error}).") from error


def _refuse_other_crystals(dataset: Dataset, entry: dict, path: Path) -> None:
    """Raise InputError if the log counts other crystals than the run has: these may have been trained on."""
    for part, counted in (("train", entry.get("crystals")), ("test", _counted(entry.get("test")))):
        if counted is not None and counted != len(dataset.indices(part)):
            raise InputError(
                f"{path} counts {counted:,} crystals in the part {part}, this run has {len(dataset.indices(part)):,}: "
                "give the source and the preset whose split the networks were trained on."
            )


def _counted(measured: Any) -> Any:
    """Return how many crystals a measurement was made on, or None."""
    return measured.get("n") if isinstance(measured, dict) else None


def _untrained(run: Run, stage: str) -> keras.Model:
    preset = run.preset
    if stage == "train-unet":
        return build_segmenter(preset.unet, preset.voxels.radii)
    return build_vae(preset.vae, preset.voxels.grid)
