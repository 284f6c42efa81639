"""What the stages after ``voxelize`` read: crystals, their maps, parts and conditions, all in the same order."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from data_prep.conditions import condition_bins, one_hot
from data_prep.crystal import Crystal
from data_prep.crystal_table import read_crystals
from data_prep.errors import InputError
from data_prep.shards import VoxelStore
from data_prep.splits import PARTS, spread_evenly
from repro.run import Run

CRYSTALS, SPLIT = "crystals.npz", "split.json"


@dataclass(frozen=True)
class Dataset:
    """The crystals of a run.

    ``parts`` (n,) are the names of their parts, ``bins`` (n,) their conditions, counted from 0, and ``edges`` (9,) in
    eV/atom the bounds between the conditions.
    """

    crystals: list[Crystal]
    parts: np.ndarray
    edges: np.ndarray
    bins: np.ndarray

    def indices(self, part: str, limit: int = 0) -> np.ndarray:
        """Return the indices of a part; ``limit`` takes that many, spread evenly over the part."""
        members = np.flatnonzero(self.parts == part)
        return members[spread_evenly(len(members), limit)] if limit else members

    @cached_property
    def train(self) -> list[Crystal]:
        """The crystals of the training part."""
        return [self.crystals[index] for index in self.indices("train")]

    @cached_property
    def elements(self) -> np.ndarray:
        """The atomic numbers (k,) of the training part, in order."""
        return np.unique(np.concatenate([crystal.numbers for crystal in self.train]))

    def condition(self, indices: Sequence[int]) -> np.ndarray:
        """Return the conditions (B, K) of crystals: 1 at the decile of the formation energy, else 0."""
        return one_hot(self.bins[indices], len(self.edges) + 1)


def load_dataset(run: Run) -> Dataset:
    """Read what the data stage of a run wrote; raises as ``read_dataset``."""
    return read_dataset(run.folder("data"))


def read_dataset(folder: Path) -> Dataset:
    """Read the data stage's ``folder``; raises InputError naming a file that is missing or damaged."""
    crystals = read_crystals(folder / CRYSTALS)
    try:
        split = json.loads((folder / SPLIT).read_text())
        parts = np.array([split["parts"][crystal.id] for crystal in crystals])
        edges = np.array(split["condition_edges"], dtype=np.float64)
        if not np.isin(parts, PARTS).all() or edges.ndim != 1:
            raise ValueError("it holds something else")
    except (OSError, ValueError, KeyError, TypeError) as error:  # a JSON fault is a ValueError
        raise InputError(f"{folder / SPLIT} is missing or damaged: run the stage data with --again.") from error
    energies = np.array([crystal.formation_energy_per_atom for crystal in crystals])
    return Dataset(crystals, parts, edges, condition_bins(energies, edges))


def load_store(run: Run) -> VoxelStore:
    """Open the maps that the voxelize stage wrote; its order is the order of the crystals."""
    return VoxelStore(run.folder("voxelize"))


def batches(items: Sequence, size: int) -> Iterable[Sequence]:
    """Yield ``items`` in pieces of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
