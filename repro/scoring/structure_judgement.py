"""What one structure is worth by itself and beside the known crystals: validity, distances, symmetry, novelty."""

from collections.abc import Sequence
from dataclasses import dataclass

from pymatgen.core import Structure
from pymatgen.symmetry.groups import sg_symbol_from_int_number

from data_prep.crystal import Crystal
from data_prep.graphs import Graph
from data_prep.quarantine import Unusable, symmetry
from data_prep.structures.matching import reduced, reduced_distance, reduced_match
from data_prep.structures.validity import cdvae_fault, closeness, is_valid, smallest_distance
from repro.properties.crystal_graphs import with_graphs
from repro.scoring.smact_composition import composition_fault

MOST_SITES_COMPARED = 200  # StructureMatcher takes minutes for a pair of larger cells


@dataclass(frozen=True)
class Group:
    """Structures of one reduced formula, the known crystals of it, and the nearest known formula."""

    crystals: Sequence[Crystal]
    known: Sequence[Crystal]
    nearest_formula: str


@dataclass(frozen=True)
class Judged:
    """The facts of one structure, under the names of ``score_columns``, and its graph if it has one."""

    facts: dict
    graph: Graph | None


def judge_group(group: Group) -> list[Judged]:
    """Return what is to be said about each structure of a group, in its order."""
    known = [(crystal, cell) for crystal in group.known if (cell := comparable(crystal.structure())) is not None]
    return [_judged(crystal, known, group) for crystal in group.crystals]


def _judged(crystal: Crystal, known: Sequence[tuple[Crystal, Structure]], group: Group) -> Judged:
    structure = crystal.structure()
    facts = geometry(crystal, structure)
    if facts["structure_valid"]:
        facts |= beside_known(structure, known, group)
    drawn, refused = with_graphs([crystal])
    facts["no_energy"] = refused[0].detail.removeprefix(f"{crystal.id}: ") if refused else ""
    return Judged(facts, drawn[0][1] if drawn else None)


def geometry(crystal: Crystal, structure: Structure) -> dict:
    """Return composition, symmetry, validity and distances (Å) of a structure; ``faults`` says what is not valid."""
    faults = {"structure": cdvae_fault(structure), "composition": composition_fault(crystal.formula)}
    number = _space_group(structure)
    return {
        "id": crystal.id,
        "readable": True,
        "formula": crystal.formula,
        "n_sites": len(structure),
        "n_elements": len(structure.composition.elements),
        "spacegroup": number,
        "spacegroup_symbol": None if number is None else sg_symbol_from_int_number(number),
        "density": float(structure.density),
        "smallest_distance": smallest_distance(structure),
        "closeness": closeness(structure),
        "structure_valid": not faults["structure"],
        "structure_valid_paper": is_valid(structure),
        "composition_valid": not faults["composition"],
        "faults": {name: fault for name, fault in faults.items() if fault},
    }


def _space_group(structure: Structure) -> int | None:
    try:
        return int(symmetry(structure).get_space_group_number())
    except (Unusable, TypeError):  # TypeError: spglib found none
        return None


def beside_known(structure: Structure, known: Sequence[tuple[Crystal, Structure]], group: Group) -> dict:
    """Return which known crystal of its formula a structure matches best, and how near it is.

    ``distance_to_known`` is what ``matching.reduced_distance`` returns. Without a match the nearest known crystal is
    the one of the same formula with the lowest energy. A structure that cannot be compared is neither known nor new.
    """
    found = {"known_formula": bool(group.known), "nearest_formula": group.nearest_formula}
    nearest = group.known[0] if group.known else None
    cell = comparable(structure)
    distances = []
    if cell is not None:
        pairs = ((reduced_distance(cell, other), crystal) for crystal, other in known)
        distances = [(distance, crystal) for distance, crystal in pairs if distance is not None]
    if distances:
        distance, nearest = min(distances, key=lambda pair: pair[0])
        found["distance_to_known"] = distance
    energy = nearest.formation_energy_per_atom if distances else float("nan")
    return found | {
        "known": bool(distances) if cell is not None or not group.known else None,
        "nearest_known": nearest.id if nearest else None,
        "known_energy": energy if energy == energy else None,
    }


def comparable(structure: Structure) -> Structure | None:
    """Return the reduced cell with which StructureMatcher compares; None if it is too large or cannot be reduced."""
    if len(structure) > MOST_SITES_COMPARED:
        return None
    try:
        return reduced(structure)
    except (ValueError, TypeError, RuntimeError):  # of Niggli's reduction and of spglib, for hopeless cells
        return None


def repeats(crystals: Sequence[Crystal]) -> list[int | None]:
    """Return for each of the crystals of one formula the place of the first one that it repeats.

    That of a first one is its own; one that cannot be compared has None.
    """
    firsts: list[tuple[int, Structure]] = []
    found: list[int | None] = []
    for place, crystal in enumerate(crystals):
        cell = comparable(crystal.structure())
        if cell is None:
            found.append(None)
            continue
        found.append(next((first for first, other in firsts if reduced_match(cell, other)), place))
        if found[-1] == place:
            firsts.append((place, cell))
    return found
