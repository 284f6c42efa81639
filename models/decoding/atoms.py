"""A segmented map becomes atoms in a cell, or a reason why not (Methods: Multiclass Atom Segmentation)."""

from dataclasses import dataclass, field

import numpy as np
from pymatgen.core import Element, Lattice, Structure

from data_prep.box import voxel_edges, voxel_positions
from models.decoding.arrangements import Arrangements, fit_told, snapped
from models.decoding.fitted_species import Candidates, assign_species, identify
from models.decoding.gaussian_fit import FitParameters, fit_gaussians
from models.decoding.lattice import lattice_least_squares
from models.decoding.watershed import Regions, WatershedParameters, find_regions

SPECIES_FROM = ("unet", "fit")


@dataclass(frozen=True)
class DecodeParameters:
    """How maps become atoms."""

    watershed: WatershedParameters = field(default_factory=WatershedParameters)
    fit: FitParameters = field(default_factory=FitParameters)
    max_sites: int = 60  # more regions than this are noise: the paper's cells hold at most 40 atoms
    min_length: float = 1.0  # Å, a shorter cell edge is not a crystal's


@dataclass(frozen=True)
class Decoded:
    """The atoms of one map: ``numbers`` (n,), ``cartesian`` (n, 3) in Å in the boxed frame,
    ``fractional`` (n, 3) of the cell, ``lengths`` (3,) in Å. The angles are not in the map (F2)."""

    numbers: np.ndarray
    cartesian: np.ndarray
    fractional: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True)
class Undecodable:
    """Why a map gave no atoms; ``reason`` is short and countable."""

    reason: str


def decode_atoms(
    density: np.ndarray,
    coordinates: np.ndarray,
    species: np.ndarray | None,
    occupied: np.ndarray,
    *,
    species_from: str = "unet",
    parameters: DecodeParameters = DecodeParameters(),
    candidates: Candidates | None = None,
) -> Decoded | Undecodable:
    """Return the atoms of one map.

    ``density`` (G, G, G) in electrons/Å^3; ``coordinates`` (G, G, G, 3) in Å; ``species`` (G, G, G)
    the most probable atomic number of each voxel, or None; ``occupied`` (G, G, G) a probability or a
    mask. The lattice is the least-squares slope of the coordinates (F16). Regions of occupied voxels
    are atoms (F24). ``species_from="unet"`` takes the majority label of each region, the paper's way;
    ``"fit"`` fits one Gaussian per region to the density and takes the element among ``candidates``
    whose amplitude and width agree best (F33); it may add or drop atoms, and starts at the highest
    voxel where nothing is occupied.

    Raises ValueError where ``species_from`` is unknown or what it needs was not given. A map that
    cannot be decoded is no error: it returns ``Undecodable``.
    """
    _check(species_from, species, candidates)
    lengths = _lengths(density, coordinates, parameters)
    if isinstance(lengths, Undecodable):
        return lengths
    regions = find_regions(occupied, species, parameters.watershed)
    if len(regions) > parameters.max_sites:
        return Undecodable("too many regions")
    if len(regions) == 0 and species_from == "unet":
        return Undecodable("no occupied voxels")
    if species_from == "fit" and np.max(density) <= 0:
        return Undecodable("no density")
    grid = len(density)
    edges = voxel_edges(lengths, grid)
    sites = voxel_positions(regions.centres if len(regions) else _highest_voxel(density), edges, grid)
    numbers, sites = (
        _by_vote(regions, sites) if species_from == "unet" else _by_fit(density, edges, sites, parameters, candidates)
    )
    if len(numbers) == 0:
        return Undecodable("no species in any region")
    return Decoded(numbers, sites, sites / lengths, lengths)


def decode_told(
    density: np.ndarray,
    coordinates: np.ndarray,
    composition: np.ndarray,
    candidates: Candidates,
    prior: Arrangements,
    parameters: DecodeParameters = DecodeParameters(),
    count: int | None = None,
) -> Decoded | Undecodable:
    """Return the atoms of one map whose composition the decoder has told: no segmentation is needed.

    ``density`` (G, G, G) in electrons/Å^3; ``coordinates`` (G, G, G, 3) in Å; ``composition`` (95,) the share of
    each species among the sites, those outside ``candidates`` not counting. ``count``, the number of sites,
    is told or follows from ``prior``, as does where the fit starts. The species are the told ones, at the
    least total misfit; sites near to a known arrangement are put into it.
    """
    lengths = _lengths(density, coordinates, parameters)
    if isinstance(lengths, Undecodable):
        return lengths
    if np.max(density) <= 0:
        return Undecodable("no density")
    allowed = np.zeros_like(composition)
    allowed[candidates.numbers] = composition[candidates.numbers] + 1e-9
    shares = allowed / allowed.sum()
    gaussians = fit_told(density, lengths, shares, prior, parameters.fit, count)
    told = prior.species(shares, len(gaussians.rows))
    numbers = assign_species(gaussians, told, candidates, parameters.fit)
    sites = snapped(gaussians.positions, lengths, prior)
    return Decoded(numbers, sites, sites / lengths, lengths)


def _lengths(density, coordinates, parameters: DecodeParameters) -> np.ndarray | Undecodable:
    if not (np.all(np.isfinite(density)) and np.all(np.isfinite(coordinates))):
        return Undecodable("not finite")
    lengths = lattice_least_squares(np.asarray(coordinates))
    return lengths if np.all(lengths > parameters.min_length) else Undecodable("no lattice")


def _highest_voxel(density: np.ndarray) -> np.ndarray:
    return np.array([np.unravel_index(np.argmax(density), density.shape)], dtype=np.float64)


def _check(species_from: str, species: np.ndarray | None, candidates: Candidates | None) -> None:
    if species_from not in SPECIES_FROM:
        raise ValueError(f"species_from is {species_from!r}: give one of {', '.join(SPECIES_FROM)}")
    if species_from == "unet" and species is None:
        raise ValueError('species_from="unet" needs the species map: give it, or choose "fit"')
    if species_from == "fit" and candidates is None:
        raise ValueError('species_from="fit" needs candidate elements: give candidate_elements(radii)')


def _by_vote(regions: Regions, sites: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drop regions without a labelled voxel: they have no element."""
    named = regions.species > 0
    return regions.species[named].astype(np.int64), sites[named]


def _by_fit(
    density, edges, sites, parameters: DecodeParameters, candidates: Candidates
) -> tuple[np.ndarray, np.ndarray]:
    """Fit the density from the regions' centres and name each Gaussian."""
    gaussians = fit_gaussians(density, edges, sites, parameters.fit)
    return identify(gaussians, candidates, parameters.fit), gaussians.positions


def to_structure(decoded: Decoded, angles: np.ndarray) -> Structure:
    """Return the pymatgen structure with the cell's ``angles`` (3,) in degrees put back (F2)."""
    lattice = Lattice.from_parameters(*decoded.lengths, *angles)
    elements = [Element.from_Z(int(z)) for z in decoded.numbers]
    return Structure(lattice, elements, decoded.fractional, to_unit_cell=True)
