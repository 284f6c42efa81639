"""Decoded atoms become candidates: structure, checks, predicted formation energy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from pymatgen.core import Structure

from data_prep.cell_angles import AngleRule
from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.graphs import crystal_graph
from data_prep.properties import FORMATION_ENERGY, PROPERTIES
from data_prep.quarantine import Unusable, symmetry
from models.atoms import Decoded, Undecodable, to_structure
from repro.metrics import is_valid
from repro.properties.networks import SPREAD, predict_properties
from repro.sampling import Target

COLUMNS = (
    "id", "target", "base", "condition", "formula", "valid", *PROPERTIES, SPREAD, "spacegroup", "n_sites",
    "n_elements", "a", "b", "c", "angle", "angle_probability", "min_distance", "same_stoichiometry", "known_formula",
    "training_formula", "file", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """The formulas of the run's crystals, and of its training part."""

    all: frozenset[str]
    train: frozenset[str]


def candidates(
    target: Target,
    start: int,
    outcomes: Iterable[Decoded | Undecodable],
    rule: AngleRule,
    known: Known,
    networks: dict[str, list[keras.Model]],
) -> list[dict]:
    """Return one record per latent vector, numbered from ``start``, each with its ``cif`` text where valid."""
    records = [_record(target, number, outcome, rule, known) for number, outcome in enumerate(outcomes, start=start)]
    _add_properties(records, networks)
    for record in records:
        structure = record.pop("structure", None)
        record["cif"] = structure.to(fmt="cif") if record.get("valid") else None
    return records


def _record(target: Target, number: int, outcome: Decoded | Undecodable, rule: AngleRule, known: Known) -> dict:
    record = {
        "id": f"{target.name}-{number:05d}",
        "target": target.name,
        "base": target.base.formula if target.base else "",
        "condition": target.condition,
    }
    if isinstance(outcome, Undecodable):
        return record | {"valid": False, "reason": outcome.reason}
    angles, probability = _angles(target.base, outcome, rule)
    structure = to_structure(outcome, angles)
    formula = structure.composition.reduced_formula
    return record | {
        "formula": formula,
        "valid": is_valid(structure),
        "n_sites": len(structure),
        "n_elements": len(structure.composition),
        "a": structure.lattice.a,
        "b": structure.lattice.b,
        "c": structure.lattice.c,
        "angle": float(angles[0]),
        "angle_probability": probability,
        "min_distance": _smallest_distance(structure),
        "spacegroup": _spacegroup(structure),
        "same_stoichiometry": target.base is None or _same_stoichiometry(structure, target.base),
        "known_formula": formula in known.all,
        "training_formula": formula in known.train,
        "structure": structure,
    }


def _angles(base: Crystal | None, decoded: Decoded, rule: AngleRule) -> tuple[np.ndarray, float]:
    """Return the base's angles, or those of the rule for random samples, with their probability (F2)."""
    if base is not None:
        return base.angles, 1.0
    angle, probability = rule.choose(decoded.numbers, decoded.lengths)
    return np.full(3, angle), probability


def _same_stoichiometry(structure: Structure, base: Crystal) -> bool:
    return structure.composition.anonymized_formula == base.structure().composition.anonymized_formula


def _smallest_distance(structure: Structure) -> float:
    """Return the shortest distance in Å between two sites, periodic images included."""
    if len(structure) == 1:
        return float(min(structure.lattice.abc))
    distances = structure.distance_matrix
    return float(distances[~np.eye(len(structure), dtype=bool)].min())


def _spacegroup(structure: Structure) -> int | None:
    try:
        return int(symmetry(structure).get_space_group_number())
    except Unusable:
        return None


def _add_properties(records: Sequence[dict], networks: dict[str, list[keras.Model]]) -> None:
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
    for name, found in predict_properties(networks, graphs).items():
        for record, value in zip(owners, found.values, strict=True):
            record[name] = float(value) if np.isfinite(value) else None
        if name == FORMATION_ENERGY and found.spread is not None:
            for record, value in zip(owners, found.spread, strict=True):
                record[SPREAD] = float(value)
