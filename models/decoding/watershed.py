"""Voxels to atoms by morphology: connected regions, convexity, erosion, watershed (F22, F24)."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import ball
from skimage.segmentation import watershed

from models.decoding.watershed_parameters import PAPERS_READING, WatershedParameters


@dataclass(frozen=True)
class Regions:
    """The regions of one map: ``labels`` (G, G, G) int, 0 outside; ``centres`` (n, 3) mean voxel index of
    each region, perhaps weighted by the density; ``species`` (n,) majority atomic number, 0 if no voxel of the
    region has a label."""

    labels: np.ndarray
    centres: np.ndarray
    species: np.ndarray

    def __len__(self) -> int:
        return len(self.species)


def find_regions(
    occupied: np.ndarray,
    species: np.ndarray | None,
    parameters: WatershedParameters = PAPERS_READING,
    density: np.ndarray | None = None,
) -> Regions:
    """Return the regions of a map, one per atom (F24).

    ``occupied`` (G, G, G) is a probability or a boolean mask; ``species`` (G, G, G) holds the atomic
    number of each voxel, 0 if it is empty, or is None if unknown. The ``density`` (G, G, G) matters if the
    parameters weight the centres by it.
    """
    mask = occupied > parameters.threshold if occupied.dtype != bool else occupied
    if species is None:
        species = np.zeros(mask.shape, dtype=np.uint8)
    kinds = np.where(mask, species.astype(np.int64) + 1, 0) if parameters.by_species else mask.astype(np.int64)
    components = _larger_than(label(kinds, connectivity=1), parameters.min_voxels)
    pieces = _split(components, parameters)
    weights = density if parameters.weighted_centres and density is not None else pieces > 0
    return Regions(pieces, _centres(pieces, weights), _majority_species(pieces, species))


def components_by_species(species: np.ndarray) -> Regions:
    """Return the connected components of each element of a species map (G, G, G): the ceiling of F11."""
    components = label(species.astype(np.int64), background=0, connectivity=1)
    return Regions(components, _centres(components, components > 0), _majority_species(components, species))


def convexity(region: np.ndarray) -> float:
    """Return voxels / voxels of the convex hull of a boolean region, the hull taken around whole voxels.

    A region without a hull (flat or one voxel thick: Qhull finds no volume) counts as convex: 1.
    """
    with warnings.catch_warnings():
        # scikit-image warns and returns an empty hull if Qhull fails.
        warnings.filterwarnings("ignore", message="Failed to get convex hull image")
        hull = regionprops(region.astype(np.uint8))[0].area_convex
    return region.sum() / hull if hull > 0 else 1.0


def _larger_than(components: np.ndarray, min_voxels: int) -> np.ndarray:
    counts = np.bincount(components.ravel())
    keep = np.flatnonzero(counts > min_voxels)
    new = np.zeros(len(counts), dtype=components.dtype)
    new[keep[keep > 0]] = np.arange(1, np.sum(keep > 0) + 1)
    return new[components]


def _split(components: np.ndarray, parameters: WatershedParameters) -> np.ndarray:
    """Split regions that are not convex, round after round, until none changes."""
    labels = components
    min_marker = int(parameters.marker_share * labels.size)
    settled: set[int] = set()
    for _ in range(parameters.iterations):
        count = labels.max()
        for index, window in enumerate(ndimage.find_objects(labels), start=1):
            region = labels[window] == index
            if index in settled:
                continue
            pieces = _pieces(region, parameters, min_marker)
            number = pieces.max()
            # The convex hull is the costly test, made only for a region that would come apart.
            if number < 2 or convexity(region) >= parameters.convexity:
                settled.add(index)
                continue
            # The first piece keeps the region's label, the others take new ones.
            new = np.concatenate([[0, index], labels.max() + np.arange(1, number)])
            labels[window][region] = new[pieces[region]]
        if labels.max() == count:
            break
    return labels


def _pieces(region: np.ndarray, parameters: WatershedParameters, min_marker: int) -> np.ndarray:
    """Return the watershed pieces 1..m of a boolean region; a single piece if it does not come apart."""
    padded = np.pad(region, 1)
    core = padded
    for _ in range(parameters.erosions):
        core = ndimage.binary_erosion(core, ball(parameters.erosion_radius))
        markers = _larger_than(label(core, connectivity=1), min_marker)
        if markers.max() != 1:
            break
    if region.sum() <= parameters.voxels_per_piece * markers.max() or markers.max() < 2:
        return region.astype(np.int64)
    depth = ndimage.distance_transform_edt(padded)
    return watershed(-depth, markers, mask=padded)[1:-1, 1:-1, 1:-1]


def _centres(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    index = np.arange(1, labels.max() + 1)
    if not len(index):
        return np.zeros((0, 3))
    return np.array(ndimage.center_of_mass(weights, labels, index))


def _majority_species(labels: np.ndarray, species: np.ndarray) -> np.ndarray:
    """Most frequent non-zero species per region (n,); the smaller atomic number if two tie."""
    count = labels.max()
    inside = (labels > 0) & (species > 0)
    votes = np.zeros((count + 1, int(species.max()) + 1), dtype=np.int64)
    np.add.at(votes, (labels[inside], species[inside]), 1)
    return votes[1:].argmax(axis=1) if votes.shape[1] > 1 else np.zeros(count, dtype=np.int64)
