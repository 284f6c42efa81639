"""The record of one crystal, which every source returns and every later stage reads."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from pymatgen.core import Composition, Element, Lattice, Structure

FAMILIES = ("AB", "ABX3", "ABX2")
_FAMILY_OF_ANONYMOUS_FORMULA = {"AB": "AB", "ABC3": "ABX3", "ABC2": "ABX2"}


def family_of(formula: str) -> str:
    """Return the paper's material class of a formula, by stoichiometry alone (F31).

    ``AB`` binary alloys, ``ABX3`` perovskites, ``ABX2`` Heusler compounds; anything else keeps
    its anonymous formula, such as ``A2B3``.
    """
    anonymous = Composition(formula).anonymized_formula
    return _FAMILY_OF_ANONYMOUS_FORMULA.get(anonymous, anonymous)


def all_families(occurring: Iterable[str]) -> list[str]:
    """Return the paper's families, then by name the others that occur."""
    return [*FAMILIES, *sorted(set(occurring) - set(FAMILIES))]


def file_name(name: str) -> str:
    """Return the file name, without suffix, of a crystal with this id or name."""
    return name.replace("/", "_")


@dataclass(frozen=True)
class Crystal:
    """One crystal: cell, sites and labels.

    ``lengths`` (3,) in Å and ``angles`` (3,) in degrees describe the cell as the source gives it
    (primitive by default, F1); ``numbers`` (n,) are atomic numbers; ``fractional`` (n, 3)
    coordinates are wrapped to [0, 1). ``formation_energy_per_atom`` is in eV/atom, NaN if the
    source has no label. ``properties`` holds further labels under the names of the source
    (``K_VRH`` and ``G_VRH`` in GPa, ``band_gap`` in eV, ...).
    """

    id: str
    formula: str
    lengths: np.ndarray
    angles: np.ndarray
    numbers: np.ndarray
    fractional: np.ndarray
    formation_energy_per_atom: float = float("nan")
    properties: dict[str, float] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """``AB``, ``ABX3``, ``ABX2`` or the anonymous formula."""
        return family_of(self.formula)

    @property
    def n_sites(self) -> int:
        """Number of sites in the cell."""
        return len(self.numbers)

    def key(self, also: str = "") -> str:
        """Return a hash of cell, species and sites, and of ``also``: journals keep under it what was found."""
        parts = (self.lengths, self.angles, self.numbers, self.fractional)
        content = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
        return hashlib.sha256(also.encode() + content).hexdigest()[:32]

    def structure(self) -> Structure:
        """Return the crystal as a pymatgen ``Structure``, with its true angles."""
        lattice = Lattice.from_parameters(*self.lengths, *self.angles)
        return Structure(lattice, [Element.from_Z(int(z)) for z in self.numbers], self.fractional)


def wrap(fractional: np.ndarray, tolerance: float = 1e-5) -> np.ndarray:
    """Wrap fractional coordinates (n, 3) to [0, 1); values within ``tolerance`` of 1 become 0.

    Without the tolerance a coordinate of 0.9999999 would stay at the far face, and the shift to the
    origin (F3) would move the cell.
    """
    wrapped = np.mod(np.asarray(fractional, dtype=np.float64), 1.0)
    return np.where(wrapped > 1.0 - tolerance, 0.0, wrapped)


def crystal_from_structure(
    structure: Structure,
    id: str,
    formation_energy_per_atom: float = float("nan"),
    properties: dict[str, float] | None = None,
) -> Crystal:
    """Return the record of an ordered pymatgen ``Structure``, in its own cell."""
    return Crystal(
        id=id,
        formula=structure.composition.reduced_formula,
        lengths=np.array(structure.lattice.abc),
        angles=np.array(structure.lattice.angles),
        numbers=np.array([site.specie.Z for site in structure], dtype=np.int64),
        fractional=wrap(structure.frac_coords),
        formation_energy_per_atom=float(formation_energy_per_atom),
        properties=dict(properties or {}),
    )
