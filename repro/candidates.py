"""Decoded atoms become candidates: structure, symmetry, checks, predicted properties."""

from collections.abc import Iterable, Sequence

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from data_prep.cell_angles import AngleRule
from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.graphs import crystal_graph
from data_prep.properties import FORMATION_ENERGY, PROPERTIES
from models.atoms import Decoded, Undecodable, to_structure
from repro.generator import Generator
from repro.matching import structure_of
from repro.metrics import is_valid, smallest_distance
from repro.properties.networks import SPREAD, predict_properties
from repro.sampling import Target

USUAL_RADIUS = 1.5  # Å, of elements without an atomic radius
ROUNDING = 0.001  # Å
SYMMETRY_TOLERANCE = 0.2  # Å: a decoded site is off by about a tenth

COLUMNS = (
    "rank", "id", "target", "base", "condition", "formula", "valid", *PROPERTIES, SPREAD, "spacegroup", "n_sites",
    "n_elements", "a", "b", "c", "angle", "beta", "gamma", "angle_probability", "min_distance", "closeness",
    "same_stoichiometry", "charge_balanced", "known_formula", "training_formula", "file", "reason",
)  # fmt: skip


def candidates(
    target: Target, start: int, outcomes: Iterable[Decoded | Undecodable], generator: Generator
) -> list[dict]:
    """Return one record per latent vector, numbered from ``start``, each with its ``cif`` text where valid."""
    records = [_record(target, number, outcome, generator) for number, outcome in enumerate(outcomes, start=start)]
    _add_properties(records, generator)
    for record in records:
        structure = record.pop("structure", None)
        record["cif"] = cif_text(structure) if record.get("valid") else None
    return records


def _record(target: Target, number: int, outcome: Decoded | Undecodable, generator: Generator) -> dict:
    record = {
        "id": f"{target.name}-{number:05d}",
        "target": target.name,
        "base": target.base.formula if target.base else "",
        "condition": target.condition,
    }
    if isinstance(outcome, Undecodable):
        return record | {"valid": False, "reason": outcome.reason}
    angles, probability = _angles(target.base, outcome, generator.rule)
    raw = to_structure(outcome, angles)
    valid = is_valid(raw)
    structure, spacegroup = symmetrised(raw) if valid else (raw, None)
    formula = structure.composition.reduced_formula
    return record | {
        "formula": formula,
        "valid": valid,
        "n_sites": len(structure),
        "n_elements": len(structure.composition),
        "a": structure.lattice.a,
        "b": structure.lattice.b,
        "c": structure.lattice.c,
        "angle": structure.lattice.alpha,
        "beta": structure.lattice.beta,
        "gamma": structure.lattice.gamma,
        "angle_probability": probability,
        "min_distance": smallest_distance(structure),
        "closeness": closeness(structure),
        "spacegroup": spacegroup,
        "same_stoichiometry": target.base is None or _same_stoichiometry(structure, target.base),
        "charge_balanced": bool(structure.composition.oxi_state_guesses()) if valid else False,
        "known_formula": formula in generator.known.all,
        "training_formula": formula in generator.known.train,
        "structure": structure,
    }


def symmetrised(structure: Structure) -> tuple[Structure, int | None]:
    """Return the standard primitive cell of the symmetry found within 0.2 Å, and its space group.

    A structure whose symmetry cannot be determined, or would bring sites together, stays as it is.
    """
    try:
        analyzer = SpacegroupAnalyzer(structure, symprec=SYMMETRY_TOLERANCE)
        standard = analyzer.get_primitive_standard_structure()
    except (ValueError, TypeError):  # spglib finds no symmetry
        return structure, None
    found = int(analyzer.get_space_group_number())
    return (standard, found) if is_valid(standard) else (structure, found)


def cif_text(structure: Structure) -> str:
    """Return a CIF with the symmetry's operations, or of the bare cell where that would read back as another crystal.

    The cell is symmetrised already, so the tolerance here is only rounding.
    """
    try:
        text = str(CifWriter(structure, symprec=ROUNDING))
        if structure_of(text).composition.reduced_formula == structure.composition.reduced_formula:
            return text
    except (ValueError, TypeError):  # spglib finds no symmetry, or the parser no structure
        pass
    return str(CifWriter(structure))


def closeness(structure: Structure) -> float:
    """Return the smallest ratio of the distance of two sites to the sum of their atomic radii; about 1 in a crystal."""
    radii = np.array([float(site.specie.atomic_radius or USUAL_RADIUS) for site in structure])
    near = structure.get_neighbor_list(2 * radii.max())
    first, second, _, distances = near
    return float((distances / (radii[first] + radii[second])).min()) if len(distances) else 1.0


def _angles(base: Crystal | None, decoded: Decoded, rule: AngleRule) -> tuple[np.ndarray, float]:
    """Return the base's angles, or those of the rule for random samples, with their probability (F2)."""
    if base is not None:
        return base.angles, 1.0
    angle, probability = rule.choose(decoded.numbers, decoded.lengths)
    return np.full(3, angle), probability


def _same_stoichiometry(structure: Structure, base: Crystal) -> bool:
    return structure.composition.anonymized_formula == base.structure().composition.anonymized_formula


def _add_properties(records: Sequence[dict], generator: Generator) -> None:
    """Predict what there are networks for, in the units of ``PROPERTIES``, of every valid record with a graph."""
    graphs, owners = [], []
    for record in records:
        if not record["valid"]:
            continue
        try:
            graphs.append(crystal_graph(record["structure"], id=record["id"]))
            owners.append(record)
        except InputError as error:
            record["reason"] = str(error)
    if not graphs:
        return
    for name, found in predict_properties(generator.networks, graphs).items():
        for record, value in zip(owners, found.values, strict=True):
            record[name] = float(value) if np.isfinite(value) else None
        if name == FORMATION_ENERGY and found.spread is not None:
            for record, value in zip(owners, found.spread, strict=True):
                record[SPREAD] = float(value)
