"""Cubic crystals at random, for property tests: 1 to 40 sites of up to five elements on a disturbed lattice."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from data_prep.box import MARGIN, box_positions, coordinate_grid, voxel_edges
from data_prep.elements import ionic_radii
from data_prep.voxelize import voxelize

RADII = ionic_radii()
GRID = 32
WIDE = 1.2  # least radius, of the voxel edge: below it an atom is a handful of voxels, or none


@dataclass(frozen=True)
class RandomCrystal:
    """``numbers`` (n,), wrapped ``fractional`` (n, 3) and ``lengths`` (3,) in Å, and the maps drawn of them."""

    numbers: np.ndarray
    fractional: np.ndarray
    lengths: np.ndarray
    density: np.ndarray
    species: np.ndarray

    @property
    def coordinates(self) -> np.ndarray:
        """The coordinate channels (G, G, G, 3) in Å."""
        return coordinate_grid(self.lengths, GRID)

    @property
    def sites(self) -> np.ndarray:
        """The sites (n, 3) in Å in the boxed frame."""
        return box_positions(self.fractional, self.lengths)

    @property
    def readable(self) -> bool:
        """Whether the voxels hold every atom whole, wide enough, and apart from the others by a voxel.

        Nearer, two atoms can have voxels that touch, and are one region: the ceiling of the representation.
        """
        widths, edge = RADII[self.numbers], voxel_edges(self.lengths, GRID)[0]
        gaps = np.linalg.norm(self.sites[:, None] - self.sites, axis=-1) - (widths[:, None] + widths)
        np.fill_diagonal(gaps, np.inf)
        whole = widths.max() <= MARGIN * self.lengths[0]
        return bool(whole and gaps.min() > edge and widths.min() >= WIDE * edge)


@st.composite
def random_crystals(draw, readable: bool = False) -> RandomCrystal:
    """Draw a crystal; most ``readable`` ones are (see ``RandomCrystal.readable``), of the others about half."""
    count, seed = draw(st.integers(1, 40)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    elements = np.arange(1, len(RADII))
    if readable:  # of like radii, so that cells of many sites are not too coarse for the smallest
        elements = elements[np.argsort(np.abs(RADII[1:] - rng.uniform(0.7, 1.5)))[:20]]
    kinds = rng.choice(elements, size=rng.integers(1, 6), replace=False)
    numbers = rng.choice(kinds, count)
    edge = int(np.ceil(round(count ** (1 / 3), 9)))
    spacing = 2 * RADII[numbers].max() / (0.79 - 1.5 * edge / GRID) if readable else rng.uniform(2.0, 3.6)
    places = np.array(list(np.ndindex(edge, edge, edge)))[rng.permutation(edge**3)[:count]]
    fractional = np.mod((places + rng.uniform(-0.1, 0.1, (count, 3))) / edge, 1.0)
    lengths = np.full(3, max(3.0, edge * spacing, RADII[numbers].max() / MARGIN if readable else 0.0))
    return RandomCrystal(numbers, fractional, lengths, *voxelize(numbers, fractional, lengths, RADII, GRID))
