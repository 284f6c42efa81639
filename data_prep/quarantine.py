"""The screening of crystals: each one that is left out is recorded with its reason."""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pymatgen.core import DummySpecies, Element, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from tqdm import tqdm

from data_prep.crystal import FAMILIES, Crystal, crystal_from_structure
from data_prep.elements import MAX_Z
from data_prep.errors import InputError
from data_prep.structures.standard_cell import CUBIC, has_standard_axes, standard_primitive

SYMPREC = 0.1  # Å, the tolerance with which the Materials Project assigns space groups
MAX_SITES = 40  # of the cell that is used; Methods: "<= 40 atoms"
MOST_SITES_READ = 1000  # larger cells take distances and spglib minutes, and exceed every selection
MIN_DISTANCE = 0.1  # Å; closer sites are one site written twice
MIN_HEIGHT = 0.5  # Å between opposite faces; no crystal has a thinner cell
ISOTOPES = frozenset({"D", "T"})


@dataclass(frozen=True)
class Rejected:
    """One crystal that is left out: its id, a short countable ``reason`` and a sentence of ``detail``."""

    id: str
    reason: str
    detail: str


class Unusable(Exception):
    """Raised by a source about one crystal, and turned into a ``Rejected`` by it."""

    def __init__(self, reason: str, detail: str):
        super().__init__(reason, detail)  # both, so that it can be sent to another process
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"

    def of(self, id: str) -> Rejected:
        """Return the record of the crystal ``id``."""
        return Rejected(id, self.reason, self.detail)


def count_reasons(rejected: Iterable[Rejected]) -> dict[str, int]:
    """Return the number of rejected crystals by reason, the commonest first."""
    return dict(Counter(item.reason for item in rejected).most_common())


def separated(results: Iterable[Crystal | Rejected]) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals and the rejected of a mixed sequence, each in order."""
    results = list(results)
    crystals = [result for result in results if isinstance(result, Crystal)]
    return crystals, [result for result in results if isinstance(result, Rejected)]


def print_rejected(rejected: Iterable[Rejected]) -> None:
    """Print id, reason and detail of each rejected crystal to standard error, a line each."""
    for item in rejected:
        detail = item.detail.removeprefix(f"{item.id}: ")
        print(f"{item.id}: left out, {item.reason.replace('_', ' ')}: {detail}", file=sys.stderr)


def print_warnings(warnings: Iterable[tuple[str, str]]) -> None:
    """Print the id of each crystal and what there is to know of it, unless that is empty, to standard error."""
    for id, warning in warnings:
        if warning:
            print(f"{id}: {warning}", file=sys.stderr)


def require_some(crystals: Sequence[Crystal], rejected: Sequence[Rejected], source: str) -> None:
    """Raise ``InputError`` with the counts by reason if no crystal of ``source`` is usable."""
    if crystals:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in count_reasons(rejected).items())
    example = f"; for example {rejected[0].id}: {rejected[0].detail}" if rejected else ""
    raise InputError(f"{source} has no usable crystal: {reasons or 'it is empty'}{example}")


def screen(
    crystals: Sequence[Crystal],
    *,
    max_sites: int = MAX_SITES,
    families: Sequence[str] | None = FAMILIES,
    require_label: bool = True,
    cubic: bool = True,
    max_z: int = MAX_Z,
    may_be_empty: bool = False,
) -> tuple[list[Crystal], list[Rejected]]:
    """Return the crystals that the paper's selection admits, in order, and the others with reasons.

    The paper admits cubic cells of at most 40 atoms with formula AB, ABX3 or ABX2 (Methods; by
    stoichiometry, F31) and elements Z = 1..94 (F7). ``max_sites`` limits the sites of the cell that
    is used, because that cell has to fit the box: the primitive one by default (F1), so a
    conventional cell may hold more. ``families=None`` admits every formula. Whether a crystal is cubic
    follows from its property ``spacegroup`` or, if it has none, from spglib with ``SYMPREC``; a number
    found by spglib is added to the crystal's properties. A cubic crystal whose cell has not the axes of the
    standard primitive or conventional one is brought to the former (``standard_primitive``); others stay as they are,
    bit for bit.

    Reasons: duplicate_id (only the first crystal of an id is considered), no_sites, too_many_sites,
    degenerate_cell, non_finite_coordinates, overlapping_sites, element_out_of_range, other_family,
    no_label, symmetry_undetermined, not_cubic. Raises ``InputError`` if no crystal is left, unless the
    result ``may_be_empty``.
    """
    kept: list[Crystal] = []
    rejected: list[Rejected] = []
    seen: set[str] = set()
    for crystal in crystals:
        try:
            if crystal.id in seen:
                raise Unusable("duplicate_id", f"the id {crystal.id} was given before")
            seen.add(crystal.id)
            _refuse_size(crystal, max_sites)
            refuse_bad_geometry(crystal)
            _refuse_chemistry(crystal, families, max_z)
            if require_label and not math.isfinite(crystal.formation_energy_per_atom):
                raise Unusable("no_label", f"formation energy is {crystal.formation_energy_per_atom}")
            kept.append(crystal)
        except Unusable as fault:
            rejected.append(fault.of(crystal.id))
    if cubic:
        kept, others = _split_cubic(kept)
        rejected += others
    if not may_be_empty:
        require_some(kept, rejected, f"the selection from {len(crystals)} crystals")
    return kept, rejected


def refuse_bad_geometry(crystal: Crystal) -> None:
    """Raise ``Unusable`` for over ``MOST_SITES_READ`` sites, a cell without volume, or sites nowhere or overlapping.

    Distances are those of nearest periodic images. Rounding finds them exactly for sites this close,
    because every height of the cell is at least ``MIN_HEIGHT`` (> 2 ``MIN_DISTANCE``).
    """
    _refuse_size(crystal, MOST_SITES_READ)
    gram = _gram_matrix(crystal)
    fractional = np.asarray(crystal.fractional)
    if not np.isfinite(fractional).all():
        site = int(np.argwhere(~np.isfinite(fractional).all(axis=1))[0, 0])
        raise Unusable("non_finite_coordinates", f"site {site} is at {fractional[site].tolist()}")
    first, second = np.triu_indices(crystal.n_sites, k=1)
    apart = fractional[first] - fractional[second]
    apart -= np.round(apart)
    squared = np.einsum("pi,ij,pj->p", apart, gram, apart)
    if squared.size and squared.min() < MIN_DISTANCE**2:
        pair = int(squared.argmin())
        distance = math.sqrt(max(squared[pair], 0.0))
        detail = f"sites {first[pair]} and {second[pair]} are {distance:.3f} Å apart"
        raise Unusable("overlapping_sites", detail)


def _gram_matrix(crystal: Crystal) -> np.ndarray:
    """Return the metric (3, 3) in Å² of a cell whose faces are at least ``MIN_HEIGHT`` apart."""
    lengths, angles = np.asarray(crystal.lengths).tolist(), np.asarray(crystal.angles).tolist()
    detail = f"lengths {lengths} Å, angles {angles} degrees"
    if not all(map(math.isfinite, lengths + angles)) or not all(0 < angle < 180 for angle in angles):
        raise Unusable("degenerate_cell", detail)
    a, b, c = lengths
    alpha, beta, gamma = (math.cos(math.radians(angle)) for angle in angles)
    # The squared volume of the parallelepiped of unit edges: negative if no cell has these angles.
    unit = 1 + 2 * alpha * beta * gamma - alpha**2 - beta**2 - gamma**2
    heights = [
        length * math.sqrt(max(unit, 0.0)) / math.sin(math.radians(angle))
        for length, angle in zip(lengths, angles, strict=True)
    ]
    if min(heights) < MIN_HEIGHT:
        raise Unusable("degenerate_cell", detail)
    ab, ac, bc = a * b * gamma, a * c * beta, b * c * alpha
    return np.array([[a * a, ab, ac], [ab, b * b, bc], [ac, bc, c * c]])


def refuse_species(structure: Structure) -> None:
    """Raise ``Unusable`` for a pymatgen ``Structure`` with partial occupancies, isotopes or dummies.

    Deuterium and tritium are not read as hydrogen: a structure that names them was measured or
    computed to distinguish them.
    """
    if not structure.is_ordered:
        site = next(site for site in structure if not site.is_ordered)
        raise Unusable("disordered", f"a site holds {site.species_string}")
    for species in structure.composition.elements:
        if isinstance(species, DummySpecies):
            raise Unusable("unknown_element", f"{species.symbol} is not an element")
        element = species if isinstance(species, Element) else species.element
        if element.name in ISOTOPES:  # the symbol and Z of Element("D") are those of hydrogen
            raise Unusable("isotope", f"the isotope {element.name} is named")


def symmetry(structure: Structure) -> SpacegroupAnalyzer:
    """Return spglib's analysis of a deposited ``structure`` with ``SYMPREC``.

    Raises ``Unusable`` if spglib finds no space group. For decoded structures see ``structures.symmetry``.
    """
    try:
        return SpacegroupAnalyzer(structure, symprec=SYMPREC)
    except ValueError as error:
        raise Unusable("symmetry_undetermined", f"spglib: {error}") from error


def _refuse_size(crystal: Crystal, max_sites: int) -> None:
    if crystal.n_sites == 0:
        raise Unusable("no_sites", "the cell is empty")
    if crystal.n_sites > max_sites:
        raise Unusable("too_many_sites", f"{crystal.n_sites} sites, at most {max_sites} are used")


def _refuse_chemistry(crystal: Crystal, families: Sequence[str] | None, max_z: int) -> None:
    outside = [int(z) for z in crystal.numbers if not 1 <= z <= max_z]
    if outside:
        raise Unusable("element_out_of_range", f"Z = {outside[0]} is outside 1..{max_z}")
    if families is not None and crystal.family not in families:
        raise Unusable("other_family", f"{crystal.formula} is {crystal.family}, not {', '.join(families)}")


def _split_cubic(crystals: Sequence[Crystal]) -> tuple[list[Crystal], list[Rejected]]:
    kept: list[Crystal] = []
    rejected: list[Rejected] = []
    unknown = sum("spacegroup" not in crystal.properties for crystal in crystals)
    with tqdm(total=unknown, desc="space groups", disable=None if unknown else True) as progress:
        for crystal in crystals:
            try:
                if "spacegroup" not in crystal.properties:
                    progress.update()
                    number = symmetry(crystal.structure()).get_space_group_number()
                    crystal = replace(crystal, properties={**crystal.properties, "spacegroup": float(number)})
                if crystal.properties["spacegroup"] not in CUBIC:
                    raise Unusable("not_cubic", f"space group {crystal.properties['spacegroup']:.0f}")
                kept.append(_in_standard_axes(crystal))
            except Unusable as fault:
                rejected.append(fault.of(crystal.id))
    return kept, rejected


def _in_standard_axes(crystal: Crystal) -> Crystal:
    """Return a cubic crystal in a cell with standard axes; itself if it has them, or if spglib finds it not cubic."""
    if has_standard_axes(crystal.lengths, crystal.angles):
        return crystal
    analyser = symmetry(crystal.structure())
    if analyser.get_space_group_number() not in CUBIC:
        return crystal
    structure = standard_primitive(analyser)
    return crystal_from_structure(structure, crystal.id, crystal.formation_energy_per_atom, crystal.properties)
