"""python -m repro import-properties: networks of a folder take the place of a run's own training.

A run whose data have new labels of some properties then trains the networks of these alone, from the same
formation-energy network as before.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from data_prep.errors import InputError
from data_prep.files.atomic import replacing, write_json
from data_prep.files.json_files import read_json
from repro import stamps
from repro.locks import making, reading
from repro.network_folders import read_manifest
from repro.properties.network_folder import load_property_networks, require_split
from repro.properties.property_data import load_property_data
from repro.properties.training_plan import plan
from repro.run import Run
from repro.stages import STAGES, identity_of
from repro.training.fit import BEST, forget_training

IMPORTED = "imported.json"  # in a network's training folder


def import_properties(run: Run, weights: Path, properties: Sequence[str] = ()) -> None:
    """Put the networks of ``properties`` (default: all) in ``weights`` into the run's stage train-cgcnn as trained.

    If the run trains more networks of a property than ``weights`` has, these are the first of them; if fewer, the first
    ones are taken. Raises InputError if they are of another source or split, of other hyperparameters, are not there,
    or if the run trains none of a property.
    """
    manifest, networks = read_manifest(weights), load_property_networks(weights)
    require_split(manifest, weights, run, "networks that saw this run's test crystals are not taken")
    if networks.parameters != run.preset.cgcnn:
        raise InputError(f"{weights} holds other networks than the preset {run.preset.name} trains: choose another.")
    lacking = [name for name in properties if name not in networks.by_property]
    if lacking:
        raise InputError(f"{weights} has no network of {lacking[0]}; it has {', '.join(networks.by_property)}.")
    training, folder = run.preset.cgcnn_training, run.folder("train-cgcnn")
    with reading([run.folder("graphs")]), making(folder):
        inputs = {"graphs": identity_of("graphs", run)}
        tasks, left_out = plan(load_property_data(run), training, run.preset.seed + training.seed_shift)
        if untrained := [name for name in properties if name in left_out]:
            raise InputError(f"This run trains no network of {untrained[0]}: {left_out[untrained[0]]}.")
        stamps.begin(folder, STAGES["train-cgcnn"].config(run), inputs)
        (folder / stamps.DONE).unlink(missing_ok=True)  # the stage counts its networks again
        for name in properties or networks.by_property:
            trained, files = [task.name for task in tasks if task.property == name], manifest["networks"][name]
            if len(files) > len(trained):
                print(f"{name}: {len(trained)} of {len(files)} networks taken, as many as this run trains")
            for one, file in zip(trained, files, strict=False):
                _take_over(weights / file, manifest["sha256"][file], folder / one)
                print(f"{one}: taken from {weights / file}")


def _take_over(path: Path, sha256: str, target: Path) -> None:
    forget_training(target)
    with replacing(target / BEST) as temporary:
        shutil.copyfile(path, temporary)
    write_json(target / IMPORTED, {"file": path.name, "sha256": sha256})


def imported(folder: Path) -> dict | None:
    """Return where the network of a training folder was taken from, None if it is to be trained there."""
    path = folder / IMPORTED
    return read_json(path, f"remove {folder} and train") if path.exists() else None
