"""Voxel maps on disk: uncompressed NPZ shards, read map by map, with a manifest (Methods; F9).

A shard holds ``density`` (n, G, G, G) float16, ``species`` (n, G, G, G) uint8, ``lengths`` (n, 3)
float64 in Å, ``ids`` (n,) and ``fingerprint``, the hash of its inputs. The coordinate channels are a
function of the lengths and are computed again when the maps are fed to a network.
"""

import hashlib
import json
import math
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep.crystal import Crystal
from data_prep.elements import RadiusTable, radii_of
from data_prep.errors import InputError
from data_prep.files.atomic import remove_unfinished, replacing, write_json
from data_prep.files.checksum import file_sha256
from data_prep.files.npz import NPZ_FAULTS
from data_prep.workers import in_order

MANIFEST = "manifest.json"
_MAPS = {"density": np.float16, "species": np.uint8}
WORTH_SHARING = 16  # shards: fewer are voxelised before other processes have started


def fingerprint(crystals: Sequence[Crystal], grid: int, radii: RadiusTable) -> str:
    """Return the sha256 of all inputs of a shard."""
    digest = hashlib.sha256(f"voxels 1|{grid}|{radii}".encode())
    for crystal in crystals:
        digest.update(crystal.id.encode())
        for array in (crystal.lengths, crystal.numbers, crystal.fractional):
            digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return digest.hexdigest()


def write_shard(path: Path, crystals: Sequence[Crystal], grid: int, radii: RadiusTable) -> None:
    """Voxelise ``crystals`` and write them as one shard, atomically.

    float16 keeps a density to 4.9e-4 relative; its range (65,504) is far above any atom's peak.
    """
    from data_prep.voxelize import voxelize  # with numba, which who only predicts does not need

    shape = (len(crystals), grid, grid, grid)
    density, species = (np.empty(shape, dtype=_MAPS[name]) for name in ("density", "species"))
    widths = radii_of(radii)
    for index, crystal in enumerate(crystals):
        density[index], species[index] = voxelize(crystal.numbers, crystal.fractional, crystal.lengths, widths, grid)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            density=density,
            species=species,
            lengths=np.stack([crystal.lengths for crystal in crystals]),
            ids=np.array([crystal.id for crystal in crystals]),
            fingerprint=np.array(fingerprint(crystals, grid, radii)),
        )


def shard_is_good(path: Path, expected: str) -> bool:
    """Return whether ``path`` is a complete shard, by its checksums, with the ``expected`` fingerprint."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return False
        with np.load(path, allow_pickle=False) as arrays:
            return str(arrays["fingerprint"]) == expected
    except NPZ_FAULTS:
        return False


def build_shards(
    folder: Path,
    crystals: Sequence[Crystal],
    grid: int,
    radii: RadiusTable,
    shard_size: int,
    processes: int | None = None,
    scheduler: str | None = None,
) -> dict:
    """Write every shard that is missing or damaged, then the manifest, and return the manifest.

    It runs on ``processes`` cores, or on the workers of a Dask ``scheduler`` that see the same folder (see
    ``data_prep.workers``). Damaged shards are named and rebuilt. It and its workers can be
    killed and started again: a shard gets its name only when it is complete. Raises InputError for a lost worker.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_unfinished(folder)  # of workers that were killed
    groups = [crystals[start : start + shard_size] for start in range(0, len(crystals), shard_size)]
    paths = [folder.resolve() / f"shard-{index:04d}.npz" for index in range(len(groups))]
    tasks = list(zip(paths, groups, strict=True))
    shards = []
    with tqdm(total=len(crystals), desc="voxelize", unit=" structures", mininterval=1) as bar:
        made = in_order(partial(_ensured, grid=grid, radii=radii), tasks, processes, scheduler, WORTH_SHARING)
        for (path, group), (sha256, was_damaged) in zip(tasks, made, strict=True):
            if was_damaged:
                print(f"{folder / path.name} was damaged or of other crystals: rebuilt.")
            shards.append({"name": path.name, "structures": len(group), "sha256": sha256})
            bar.update(len(group))
    manifest = {"grid": grid, "radii": radii, "structures": len(crystals), "shards": shards}
    write_json(folder / MANIFEST, manifest)
    return manifest


def _ensured(task: tuple[Path, Sequence[Crystal]], grid: int, radii: RadiusTable) -> tuple[str, bool]:
    """Write a shard unless an intact one exists; return its sha256 and whether a damaged one was replaced."""
    path, crystals = task
    found = path.exists()
    good = found and shard_is_good(path, fingerprint(crystals, grid, radii))
    if not good:
        write_shard(path, crystals, grid, radii)
    return file_sha256(path), found and not good


class VoxelStore:
    """Read access to a folder of shards: ``density(i)``, ``species(i)``, ``lengths[i]``.

    ``ids`` (n,) and ``lengths`` (n, 3) are in memory. Each map is read from disk on request. Memory mapping
    would count all maps as memory of this process after one epoch.
    Raises InputError naming the shard if one is missing or differs from the manifest.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.manifest = _read_manifest(folder)
        self.grid: int = self.manifest["grid"]
        opened = [_open_shard(folder / entry["name"], entry, self.grid) for entry in self.manifest["shards"]]
        self._shards = [places for places, _, _ in opened]
        self.lengths = np.concatenate([lengths for _, lengths, _ in opened])
        self.ids = np.concatenate([ids for _, _, ids in opened])
        self._starts = np.cumsum([0] + [len(ids) for _, _, ids in opened])

    def __len__(self) -> int:
        return len(self.ids)

    def density(self, index: int) -> np.ndarray:
        """Return one density map (G, G, G) float16."""
        return self._read("density", index)

    def species(self, index: int) -> np.ndarray:
        """Return one species map (G, G, G) uint8."""
        return self._read("species", index)

    def maps(self, indices: Sequence[int]) -> np.ndarray:
        """Return the networks' input (B, G, G, G, 4) float32 of several crystals (F8)."""
        from data_prep.voxelize import input_maps

        return np.stack([input_maps(self.density(index), self.lengths[index]) for index in indices])

    def _read(self, name: str, index: int) -> np.ndarray:
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        path, offset = self._shards[shard][name]
        dtype, size = np.dtype(_MAPS[name]), self.grid**3
        place = offset + int(index - self._starts[shard]) * size * dtype.itemsize
        return np.fromfile(path, dtype, size, offset=place).reshape((self.grid,) * 3)


def _read_manifest(folder: Path) -> dict:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        entries = [(entry["name"], int(entry["structures"]), entry["sha256"]) for entry in manifest["shards"]]
        if not entries or int(manifest["grid"]) < 1:
            raise ValueError("it lists no shards")
        return manifest
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:  # a JSON fault is a ValueError
        raise InputError(f"{path} cannot be read: run the voxelize stage first.") from error


def _open_shard(path: Path, entry: dict, grid: int) -> tuple[dict[str, tuple[Path, int]], np.ndarray, np.ndarray]:
    """Return the offsets of a shard's maps, its lengths and ids; raises InputError if it differs from ``entry``."""
    remedy = "run the voxelize stage again to rebuild it"
    if not path.exists() or file_sha256(path) != entry["sha256"]:
        raise InputError(f"{path} is missing or damaged: {remedy}.")
    count = entry["structures"]
    try:
        offsets = _member_offsets(path)
        headers = {name: _read_header(path, offsets[name]) for name in _MAPS}
        with np.load(path, allow_pickle=False) as arrays:
            lengths, ids = arrays["lengths"], arrays["ids"]
    except NPZ_FAULTS as error:
        raise InputError(f"{path} is no shard of voxel maps ({error}): {remedy}.") from error
    size = path.stat().st_size
    for name, (place, shape, dtype) in headers.items():
        whole = shape == (count, grid, grid, grid) and place + math.prod(shape) * dtype.itemsize <= size
        if dtype != _MAPS[name] or not whole:
            raise InputError(f"{path} holds a {name} of another shape or kind than its manifest says: {remedy}.")
    if lengths.shape != (count, 3) or lengths.dtype.kind != "f" or ids.shape != (count,):
        raise InputError(f"{path} holds other lengths or ids than its manifest says: {remedy}.")
    return {name: (path, place) for name, (place, _, _) in headers.items()}, lengths, ids


def _member_offsets(path: Path) -> dict[str, int]:
    """Return the offset of each member's .npy data in an uncompressed NPZ file."""
    offsets = {}
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        for info in archive.infolist():
            file.seek(info.header_offset + 26)  # the local header's lengths of name and extra field
            name, extra = np.frombuffer(file.read(4), dtype="<u2")
            offsets[info.filename.removesuffix(".npy")] = info.header_offset + 30 + int(name) + int(extra)
    return offsets


def _read_header(path: Path, offset: int) -> tuple[int, tuple[int, ...], np.dtype]:
    """Return the offset of an .npy member's numbers behind its header, their shape and their type."""
    with open(path, "rb") as file:
        file.seek(offset)
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = read_header(file)
        if by_columns:
            raise ValueError("its arrays lie in another order")
        return file.tell(), shape, dtype
