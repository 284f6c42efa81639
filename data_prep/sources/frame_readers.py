"""Which reader a file's name asks for: CIF, POSCAR or extended XYZ, each possibly as ``.gz``."""

import re
from collections.abc import Callable
from pathlib import Path

from data_prep.quarantine import Unusable
from data_prep.sources.cif_structures import cif_frames
from data_prep.sources.frames import Frame, read_text, the_only
from data_prep.sources.poscar import read_poscar
from data_prep.sources.xyz import read_xyz

CIF_SUFFIXES = (".cif", ".mcif")
XYZ_SUFFIXES = (".xyz", ".extxyz")
POSCAR_SUFFIXES = (".vasp", ".poscar", ".contcar")
_POSCAR_NAME = re.compile(r"(poscar|contcar).*|.*[_-](poscar|contcar)")

Reader = Callable[[Path], list[Frame | Unusable]]


def frame_reader(path: Path) -> Reader | None:
    """Return the function that reads the structures of a file of this name, or None."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(CIF_SUFFIXES):
        return lambda file: cif_frames(read_text(file))
    if name.endswith(XYZ_SUFFIXES):
        return read_xyz
    if name.endswith(POSCAR_SUFFIXES) or _POSCAR_NAME.fullmatch(name):
        return lambda file: [read_poscar(file)]
    return None


def plain_name(name: str) -> str:
    """Return a file's name without the suffixes of a known format: ``mp-1.cif.gz`` is ``mp-1``."""
    return re.sub(r"(\.(cif|mcif|xyz|extxyz|vasp|poscar|contcar))?(\.gz)?$", "", name, flags=re.IGNORECASE)


def only_frame(path: Path) -> Frame:
    """Return the one structure of a file in its own cell; raises ``Unusable`` for none, several, or a fault of it."""
    reader = frame_reader(path)
    if reader is None:
        raise Unusable("unknown_format", "no structure file by its name")
    return the_only(reader(path), "the file holds {} structures; split it")
