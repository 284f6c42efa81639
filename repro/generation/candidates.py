"""A candidate: a generated crystal with its facts and predicted properties; the columns of ``candidates.csv``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, get_args

import numpy as np
from pymatgen.core import Structure

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.graphs import crystal_graph
from data_prep.property_labels import FORMATION_ENERGY, PROPERTIES
from data_prep.structures.cif import structure_of
from data_prep.structures.idealise import IdealCrystal, idealise
from data_prep.structures.matching import reduced
from data_prep.structures.validity import CROWDED
from models.decoding.atoms import Decoded, Undecodable, to_structure
from repro.properties.networks import Prediction
from repro.properties.stability import COLUMNS as STABILITY
from repro.properties.stability import PROBABILITY, stability

if TYPE_CHECKING:
    from repro.generation.generator import Generator
    from repro.generation.targets import Target


@dataclass(frozen=True)
class Candidate:
    """One sample of a target, decoded or not.

    The facts of the crystal are None if the map could not be decoded (then ``reason`` says why). Lengths and distances
    in Å, angles in degrees; ``properties`` by name in the units of ``PROPERTIES``, with the bounds of their 90 %
    intervals as ``.._low`` and ``.._high``; ``cif`` of a valid crystal.
    """

    id: str
    target: str
    base: str
    condition: int
    formula: str | None = None
    valid: bool = False
    properties: dict[str, float | None] = field(default_factory=dict)
    formation_energy_spread: float | None = None  # eV/atom: standard deviation of several networks
    stability: dict[str, float | str | bool | None] = field(default_factory=dict)  # as ``properties.stability`` gives
    spacegroup: int | None = None
    n_sites: int | None = None
    n_elements: int | None = None
    a: float | None = None
    b: float | None = None
    c: float | None = None
    angle: float | None = None  # alpha
    beta: float | None = None
    gamma: float | None = None
    angle_probability: float | None = None
    min_distance: float | None = None
    closeness: float | None = None  # smallest distance over the sum of the two atomic radii
    same_stoichiometry: bool | None = None
    charge_balanced: bool | None = None
    known_formula: bool | None = None
    training_formula: bool | None = None
    sampling: str = ""  # "noise" or "neighbours" of a base, "encoded", "posteriors" or "normal" at random
    file: str | None = None
    reason: str | None = None
    nearest_known: str | None = None  # id, as ``known_crystals`` finds it, None if the data are not at hand
    nearest_known_formula: str | None = None
    nearest_known_spacegroup: int | None = None
    nearest_known_distance: float | None = None  # places on the chemical scale, in the mean over the atoms
    cif: str | None = None
    cell: dict[str, list] | None = None  # the primitive one: ``lattice`` (3, 3) in Å, ``numbers``, ``fractional``

    @property
    def formation_energy_per_atom(self) -> float | None:
        """The predicted formation energy in eV/atom."""
        return self.properties.get(FORMATION_ENERGY)

    @cached_property
    def structure(self) -> Structure | None:
        """The crystal as its CIF has it; None if it is not valid."""
        return structure_of(self.cif) if self.cif else None

    @cached_property
    def reduced(self) -> Structure:
        """The cell by which a valid crystal is compared with others; its CIF would take five times as long to read."""
        cell = self.cell
        return reduced(Structure(cell["lattice"], cell["numbers"], cell["fractional"]))

    @property
    def rank(self) -> tuple:
        """Sort key: valid compounds first, of the stoichiometry asked for, then the likeliest to be near the hull.

        Among equally likely ones the lowest formation energy comes first. A crystal of one element comes after the
        compounds: its formation energy is zero by definition, whatever is predicted. So does one whose atoms are closer
        than ``CROWDED``: no network has seen such. One whose chemical system has no known compound comes after those
        that can be compared.
        """
        energy, closeness = self.formation_energy_per_atom, 1.0 if self.closeness is None else self.closeness
        element, other = self.n_elements == 1, not self.same_stoichiometry
        unsure = not self.stability.get("hull_covered"), -float(self.stability.get(PROBABILITY) or 0.0)
        return not self.valid, element, closeness < CROWDED, other, *unsure, energy is None, energy or 0.0, self.id

    def to_row(self) -> dict:
        """Return the candidate's row of ``candidates.csv``, numbers as numbers."""
        row = {name: getattr(self, name) for name in COLUMNS if name not in ("rank", *PREDICTED, *STABILITY)}
        row |= {name: self.properties.get(name) for name in PREDICTED}
        return row | {name: self.stability.get(name) for name in STABILITY}


PREDICTED = tuple(name + suffix for name in PROPERTIES for suffix in ("", "_low", "_high"))
_COLUMNS_OF = {"properties": PREDICTED, "stability": STABILITY, "cif": (), "cell": ()}
COLUMNS = ("rank", *(name for one in fields(Candidate) for name in _COLUMNS_OF.get(one.name, (one.name,))))
_KINDS = {one.name: (get_args(one.type) or (one.type,))[0] for one in fields(Candidate)}
_KINDS |= {"rank": int, "decomposition": str, "hull_covered": bool}


def parse_row(row: dict[str, str]) -> dict[str, str | bool | int | float | None]:
    """Return a row of ``candidates.csv`` with its numbers as numbers.

    A blank number is None, a blank flag False, a blank text stays one. Columns that are no candidate's are numbers.
    Raises ValueError for anything else.
    """
    return {name: _parse(_KINDS.get(name, float), text) for name, text in row.items()}


def _parse(kind: type, text: str) -> str | bool | int | float | None:
    if kind is str:
        return text
    if kind is bool:
        return text == "True"
    return kind(text) if text else None


def describe(
    samples: Sequence[tuple["Target", int]],
    outcomes: Sequence[Decoded | Undecodable],
    generator: "Generator",
) -> list[Candidate]:
    """Return a candidate for each sample, a target and a number, and its ``outcome``."""
    decoded = [
        (target, outcome)
        for (target, _), outcome in zip(samples, outcomes, strict=True)
        if isinstance(outcome, Decoded)
    ]
    angles = [_angles(target.base, outcome, generator) for target, outcome in decoded]
    raw = [_in_its_cell(outcome, found, generator) for (_, outcome), (found, _) in zip(decoded, angles, strict=True)]
    ideal = zip(map(idealise, raw), (probability for _, probability in angles), strict=True)
    candidates, structures = [], []
    for (target, number), outcome in zip(samples, outcomes, strict=True):
        base = target.base.formula if target.base else ""
        plain = Candidate(f"{target.name}-{number:05d}", target.name, base, target.condition, sampling=target.sampling)
        if isinstance(outcome, Undecodable):
            candidates.append(replace(plain, reason=outcome.reason))
            structures.append(None)
            continue
        crystal, probability = next(ideal)
        candidates.append(_described(plain, crystal, probability, target, generator))
        structures.append(crystal.structure)
    return _with_properties(candidates, structures, generator)


def _described(
    plain: Candidate, crystal: IdealCrystal, probability: float, target: "Target", generator: "Generator"
) -> Candidate:
    structure = crystal.structure
    formula = structure.composition.reduced_formula
    return replace(
        plain,
        formula=formula,
        valid=crystal.valid,
        n_sites=len(structure),
        n_elements=len(structure.composition),
        a=structure.lattice.a,
        b=structure.lattice.b,
        c=structure.lattice.c,
        angle=structure.lattice.alpha,
        beta=structure.lattice.beta,
        gamma=structure.lattice.gamma,
        angle_probability=probability,
        min_distance=crystal.smallest_distance,
        closeness=crystal.closeness,
        spacegroup=crystal.spacegroup,
        same_stoichiometry=target.base is None or _same_stoichiometry(structure, target.base),
        charge_balanced=crystal.charge_balanced,
        known_formula=formula in generator.known.all,
        training_formula=formula in generator.known.train,
        cif=crystal.cif,
        cell=cell_of(structure) if crystal.cif else None,
    )


def cell_of(structure: Structure) -> dict[str, list]:
    """Return a structure as a candidate's ``cell``: plain data, for its part of an unfinished command."""
    return {
        "lattice": structure.lattice.matrix.tolist(),
        "numbers": list(structure.atomic_numbers),
        "fractional": structure.frac_coords.tolist(),
    }


def _in_its_cell(decoded: Decoded, angles: np.ndarray, generator: "Generator") -> Structure:
    """Return the structure; its cell has the volume that fits its atoms, if the generator knows such volumes (F47)."""
    structure = to_structure(decoded, angles)
    volume = None
    if generator.volumes is not None:
        volume = generator.volumes.volume(decoded.numbers, structure.frac_coords, structure.lattice.matrix)
    if volume is not None:
        structure.scale_lattice(volume)
    return structure


def _angles(base: Crystal | None, decoded: Decoded, generator: "Generator") -> tuple[np.ndarray, float]:
    """Return the base's angles, or those of the rule for random samples, with their probability (F2)."""
    if base is not None:
        return base.angles, 1.0
    angle, probability = generator.angle_rule.choose(decoded.numbers, decoded.lengths)
    return np.full(3, angle), probability


def _same_stoichiometry(structure: Structure, base: Crystal) -> bool:
    return structure.composition.anonymized_formula == base.structure().composition.anonymized_formula


def _with_properties(
    candidates: Sequence[Candidate], structures: Sequence[Structure | None], generator: "Generator"
) -> list[Candidate]:
    """Return the candidates with the predicted properties of every valid one that has a graph."""
    found, graphs, owners = list(candidates), [], []
    for place, (candidate, structure) in enumerate(zip(candidates, structures, strict=True)):
        if not candidate.valid:
            continue
        try:
            graphs.append(crystal_graph(structure, id=candidate.id))
            owners.append(place)
        except InputError as error:
            found[place] = replace(candidate, reason=str(error))
    if not graphs:
        return found
    predicted = generator.properties.predict(graphs)
    spread = predicted[FORMATION_ENERGY].spread if FORMATION_ENERGY in predicted else None
    stable = _stability([structures[place] for place in owners], predicted, generator)
    for row, place in enumerate(owners):
        values = {name: float(one.values[row]) for name, one in predicted.items()}
        for name, one in predicted.items():
            if one.low is not None:
                values |= {f"{name}_low": float(one.low[row]), f"{name}_high": float(one.high[row])}
        properties = {name: value if np.isfinite(value) else None for name, value in values.items()}
        sure = None if spread is None else float(spread[row])
        found[place] = replace(found[place], properties=properties, formation_energy_spread=sure, stability=stable[row])
    return found


def _stability(
    structures: Sequence[Structure], predicted: Mapping[str, Prediction], generator: "Generator"
) -> list[dict]:
    """Return how near to the convex hull each crystal is, as far as its formation energy is predicted."""
    if FORMATION_ENERGY not in predicted:
        return [{} for _ in structures]
    formulas = [structure.composition.reduced_formula for structure in structures]
    energies = predicted[FORMATION_ENERGY]
    widths = [None] * len(formulas) if energies.width is None else energies.width
    return stability(formulas, energies.values, widths, generator.hull)
