"""A map becomes atoms in a cell, or a reason why not (Methods: Multiclass Atom Segmentation)."""

from dataclasses import dataclass, field

import numpy as np
from pymatgen.core import Element, Lattice, Structure

from data_prep.box import voxel_edges, voxel_positions
from models.decoding.arrangements import Arrangements, fit_composition, snapped
from models.decoding.gaussian_fit import FitParameters, fit_gaussians
from models.decoding.lattice import lattice_least_squares
from models.decoding.species import AllowedElements, assign_species, identify
from models.decoding.structure_types import Match, best_match
from models.decoding.watershed import Regions, find_regions
from models.decoding.watershed_parameters import PAPERS_READING, WatershedParameters


@dataclass(frozen=True)
class DecodeParameters:
    """How maps become atoms."""

    watershed: WatershedParameters = PAPERS_READING
    fit: FitParameters = field(default_factory=FitParameters)
    max_sites: int = 60  # more regions than this are noise: the paper's cells hold at most 40 atoms
    min_length: float = 1.0  # Å: no crystal has a shorter cell edge
    explained: float = 0.05  # relative residual below which a structure type explains a map; by validation structures


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


def decode_by_vote(
    density: np.ndarray,
    coordinates: np.ndarray,
    species: np.ndarray,
    occupied: np.ndarray,
    parameters: DecodeParameters = DecodeParameters(),
) -> Decoded | Undecodable:
    """Return the atoms of one map by the paper's way: a region is an atom of its commonest label (F24).

    ``density`` (G, G, G) in electrons/Å^3; ``coordinates`` (G, G, G, 3) in Å; ``species`` (G, G, G) the most
    probable atomic number of each voxel; ``occupied`` (G, G, G) a probability or a mask. The lattice is the
    least-squares slope of the coordinates (F16). A region without a labelled voxel is dropped.
    """
    lengths = _lengths(density, coordinates, parameters)
    if isinstance(lengths, Undecodable):
        return lengths
    regions = find_regions(occupied, species, parameters.watershed, density)
    if len(regions) > parameters.max_sites:
        return Undecodable("too many regions")
    if len(regions) == 0:
        return Undecodable("no occupied voxels")
    named = regions.species > 0
    sites = _centres(regions, density, lengths)[named]
    return _decoded(regions.species[named].astype(np.int64), sites, lengths)


def decode_by_fit(
    density: np.ndarray,
    coordinates: np.ndarray,
    occupied: np.ndarray,
    elements: AllowedElements,
    species: np.ndarray | None = None,
    parameters: DecodeParameters = DecodeParameters(),
) -> Decoded | Undecodable:
    """Return the atoms of one map by Gaussians fitted to its density from the regions' centres (F33).

    Arguments as ``decode_by_vote``, but ``species`` may be unknown. An atom's element is the one among ``elements``
    whose amplitude and width agree best. The fit may add or drop atoms; it starts at the highest voxel if no voxel
    is occupied.
    """
    lengths = _lengths(density, coordinates, parameters)
    if isinstance(lengths, Undecodable):
        return lengths
    regions = find_regions(occupied, species, parameters.watershed, density)
    if len(regions) > parameters.max_sites:
        return Undecodable("too many regions")
    if np.max(density) <= 0:
        return Undecodable("no density")
    edges = voxel_edges(lengths, len(density))
    gaussians = fit_gaussians(density, edges, _centres(regions, density, lengths), parameters.fit)
    return _decoded(identify(gaussians, elements, parameters.fit), gaussians.positions, lengths)


def decode_by_composition(
    density: np.ndarray,
    coordinates: np.ndarray,
    composition: np.ndarray,
    elements: AllowedElements,
    arrangements: Arrangements,
    count: int | None = None,
    parameters: DecodeParameters = DecodeParameters(),
) -> Decoded | Undecodable:
    """Return the atoms of one map whose composition is known from the latent: no segmentation is needed.

    ``density`` (G, G, G) in electrons/Å^3; ``coordinates`` (G, G, G, 3) in Å; ``composition`` (95,) the share of
    each species among the sites, of which only those in ``elements`` count. ``count``, the number of sites, follows
    from ``arrangements`` if it is not given. The atoms are those of the structure type that explains the map. If
    none does, Gaussians are fitted from the known arrangements, the species are assigned to them with the least total
    misfit, and sites near a known arrangement are moved into it.
    """
    lengths = _lengths(density, coordinates, parameters)
    if isinstance(lengths, Undecodable):
        return lengths
    if np.max(density) <= 0:
        return Undecodable("no density")
    allowed = np.zeros_like(composition)
    allowed[elements.numbers] = composition[elements.numbers] + 1e-9
    shares = allowed / allowed.sum()
    match = _known_type(density, lengths, shares, elements, arrangements, count)
    if match and match.residual < parameters.explained:
        return _decoded(match.numbers, match.cartesian, lengths)
    gaussians = fit_composition(density, lengths, shares, arrangements, parameters.fit, count)
    expected = arrangements.species(shares, len(gaussians.rows))
    if expected is None:
        return Undecodable("fewer elements than any known crystal")
    if len(np.unique(expected)) > arrangements.most_elements:
        return Undecodable("more elements than any known crystal")
    numbers = assign_species(gaussians, expected, elements, parameters.fit)
    return _decoded(numbers, snapped(gaussians.positions, lengths, arrangements), lengths)


def _known_type(density, lengths, shares, elements, arrangements: Arrangements, count: int | None) -> Match | None:
    """Return the known structure type nearest to a map, among those of ``count`` sites or of each likely number."""
    counts = [count] if count else arrangements.numbers_of_sites(shares, lengths)
    of_each = ((arrangements.species(shares, one), arrangements.types.get(one, ())) for one in counts)
    matches = (
        best_match(density, lengths, species, types, elements) for species, types in of_each if species is not None
    )
    return min((match for match in matches if match), key=lambda match: match.residual, default=None)


def _lengths(density, coordinates, parameters: DecodeParameters) -> np.ndarray | Undecodable:
    if not (np.all(np.isfinite(density)) and np.all(np.isfinite(coordinates))):
        return Undecodable("not finite")
    lengths = lattice_least_squares(np.asarray(coordinates))
    return lengths if np.all(lengths > parameters.min_length) else Undecodable("no lattice")


def _centres(regions: Regions, density: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the regions' centres (n, 3) in Å in the boxed frame, or the highest voxel if there is no region."""
    highest = np.array([np.unravel_index(np.argmax(density), density.shape)], dtype=np.float64)
    grid = len(density)
    return voxel_positions(regions.centres if len(regions) else highest, voxel_edges(lengths, grid), grid)


def _decoded(numbers: np.ndarray, sites: np.ndarray, lengths: np.ndarray) -> Decoded | Undecodable:
    if len(numbers) == 0:
        return Undecodable("no species in any region")
    return Decoded(numbers, sites, sites / lengths, lengths)


def to_structure(decoded: Decoded, angles: np.ndarray) -> Structure:
    """Return the pymatgen structure with the cell's ``angles`` (3,) in degrees put back (F2)."""
    lattice = Lattice.from_parameters(*decoded.lengths, *angles)
    elements = [Element.from_Z(int(z)) for z in decoded.numbers]
    return Structure(lattice, elements, decoded.fractional, to_unit_cell=True)
