"""Decoded atoms become candidates: crystals, their facts and predicted properties."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor

import numpy as np
from pymatgen.core import Structure

from data_prep.cell_angles import AngleRule
from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.graphs import crystal_graph
from data_prep.property_labels import FORMATION_ENERGY, PROPERTIES
from data_prep.structures.idealise import IdealCrystal, idealise
from models.decoding.atoms import Decoded, Undecodable, to_structure
from repro.generation.generator import Generator
from repro.generation.targets import Target
from repro.properties.networks import SPREAD, predict_properties

COLUMNS = (
    "rank", "id", "target", "base", "condition", "formula", "valid", *PROPERTIES, SPREAD, "spacegroup", "n_sites",
    "n_elements", "a", "b", "c", "angle", "beta", "gamma", "angle_probability", "min_distance", "closeness",
    "same_stoichiometry", "charge_balanced", "known_formula", "training_formula", "file", "reason",
)  # fmt: skip


def candidates(
    target: Target, start: int, outcomes: Iterable[Decoded | Undecodable], generator: Generator, pool: Executor
) -> list[dict]:
    """Return one record per latent vector, numbered from ``start``, each with its ``cif`` text where valid.

    What needs no network is done by ``pool``.
    """
    outcomes = list(outcomes)
    decoded = [outcome for outcome in outcomes if isinstance(outcome, Decoded)]
    angles = [_angles(target.base, outcome, generator.rule) for outcome in decoded]
    raw = [to_structure(outcome, found) for outcome, (found, _) in zip(decoded, angles, strict=True)]
    crystals = zip(pool.map(idealise, raw, chunksize=2), (probability for _, probability in angles), strict=True)
    records = [
        _undecodable(outcome) if isinstance(outcome, Undecodable) else _described(*next(crystals), target, generator)
        for outcome in outcomes
    ]
    base = target.base.formula if target.base else ""
    named = [
        {"id": f"{target.name}-{number:05d}", "target": target.name, "base": base, "condition": target.condition}
        | record
        for number, record in enumerate(records, start=start)
    ]
    _add_properties(named, generator)
    for record in named:
        record.pop("structure", None)
    return named


def _undecodable(outcome: Undecodable) -> dict:
    return {"valid": False, "reason": outcome.reason, "cif": None}


def _described(crystal: IdealCrystal, probability: float, target: Target, generator: Generator) -> dict:
    structure = crystal.structure
    formula = structure.composition.reduced_formula
    return {
        "formula": formula,
        "valid": crystal.valid,
        "n_sites": len(structure),
        "n_elements": len(structure.composition),
        "a": structure.lattice.a,
        "b": structure.lattice.b,
        "c": structure.lattice.c,
        "angle": structure.lattice.alpha,
        "beta": structure.lattice.beta,
        "gamma": structure.lattice.gamma,
        "angle_probability": probability,
        "min_distance": crystal.smallest_distance,
        "closeness": crystal.closeness,
        "spacegroup": crystal.spacegroup,
        "same_stoichiometry": target.base is None or _same_stoichiometry(structure, target.base),
        "charge_balanced": crystal.charge_balanced,
        "known_formula": formula in generator.known.all,
        "training_formula": formula in generator.known.train,
        "structure": structure,
        "cif": crystal.cif,
    }


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
