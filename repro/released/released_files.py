"""Finds the authors' weight files, and data to check them with, anywhere under one folder."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from data_prep.errors import InputError
from data_prep.files.checksum import file_sha256

PROPERTIES = ("formation_energy_per_atom", "energy_per_atom", "bulk_modulus")
OPTIONAL = {"oracle": "oracle.json", "cubic": "mp_cubic.csv.gz", "general": "mp_general.parquet"}  # role -> name
_POINTER = b"version https://git-lfs"  # content of a clone's file that is stored in Git LFS
_HISTORY = (
    "--shared is the reference folder or a clone of https://github.com/by256/icsg3d; "
    "the clone has its weights only at older commits (git log --all -- '*.hdf5' names them)"
)


@dataclass(frozen=True)
class ReleasedFiles:
    """The paths of the authors' files under ``root``; None, or missing from ``cgcnn``, if not found.

    ``cgcnn`` by property (``PROPERTIES``); ``oracle`` are the reference outputs; ``cubic`` and ``general``
    the tables of real structures.
    """

    root: Path
    vae: Path
    cgcnn: dict[str, Path]
    atom_init: Path
    unet: Path | None
    oracle: Path | None
    cubic: Path | None
    general: Path | None

    def named(self) -> dict[str, Path]:
        """Return the path of every file that was found, by its role."""
        single = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("root", "cgcnn")
        }
        weights = {f"cgcnn {name}": path for name, path in self.cgcnn.items()}
        return {role: path for role, path in (single | weights).items() if path}


def find_released(root: Path) -> ReleasedFiles:
    """Find the files by their names under ``root``, those in the highest folder first.

    The VAE, one CGCNN and the element features are needed, the rest is optional; of several files of
    one kind a ``.best.`` is taken. Raises InputError naming the missing files.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder: {_HISTORY}.")
    present = list(_walk(root))
    optional = {role: _first(present, name) for role, name in OPTIONAL.items()}
    weights = {name: _first(present, f"cgcnn_weights.{name}.*hdf5") for name in PROPERTIES}
    vae, atom_init = _first(present, "vae_weights_mixed*.hdf5"), _first(present, "atom_init.json")
    needed = {"vae_weights_mixed.best.hdf5": vae, "atom_init.json": atom_init}
    # A clone may have any of the CGCNNs; beside the reference outputs all of theirs must be there.
    for name in PROPERTIES if optional["oracle"] or not any(weights.values()) else ():
        needed[f"cgcnn_weights.{name}.best.hdf5"] = weights[name]
    missing = [name for name, path in needed.items() if path is None]
    if missing:
        raise InputError(f"{root} has no {', no '.join(missing)} (or only an empty one): {_HISTORY}.")
    return ReleasedFiles(
        root=root,
        vae=vae,
        cgcnn={name: path for name, path in weights.items() if path},
        atom_init=atom_init,
        unet=_first(present, "unet_weights*.hdf5") or _first(present, "unet_weights*.h5"),
        **optional,
    )


def read_oracle(path: Path) -> dict[str, Any]:
    """Return the reference outputs of VAE and CGCNN; raises InputError if the file lacks one of them."""
    try:
        oracle = json.loads(path.read_text(encoding="utf-8"))
        if not (oracle["vae"] and oracle["cgcnn"]["mp_ids"]):
            raise ValueError("it is empty")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read as reference outputs ({error}): fetch the file again.") from error
    return oracle


def _walk(root: Path) -> Iterable[Path]:
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(folder) / name for name in names if (Path(folder) / name).is_file())


def _first(paths: Iterable[Path], pattern: str) -> Path | None:
    found = [path for path in paths if fnmatch(path.name, pattern) and _has_content(path)]
    return min(found, key=lambda path: (".best." not in path.name, len(path.parts), str(path)), default=None)


def _has_content(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_POINTER)) not in (b"", _POINTER)


def identity_of_released(root: Path) -> str:
    """Return a hash of the authors' weights under ``root``, or "none": results depend on whether they are there."""
    try:
        files = find_released(root)
    except InputError:
        return "none"
    sums = [file_sha256(path) for path in (files.vae, files.atom_init, *files.cgcnn.values())]
    return hashlib.sha256(" ".join(sums).encode()).hexdigest()
