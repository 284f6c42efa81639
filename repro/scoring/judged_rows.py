"""The rows of structures, judged on all cores and kept as they come, so that a killed command goes on."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from tqdm import tqdm

from data_prep.crystal import Crystal
from data_prep.files.atomic import plain
from data_prep.files.journal import Journal
from data_prep.workers import in_order
from repro.properties.stability import EnergyJudge
from repro.scoring.reference import Reference
from repro.scoring.score_rows import LABEL, with_interval
from repro.scoring.structure_judgement import Group, Judged, judge_group, repeats

PIECE, KEPT_AFTER = 16, 128  # structures of a task; after how many the rows are kept
WORTH_SHARING = 64  # formulas: fewer are judged before new processes have started


def judged_rows(
    crystals: Sequence[Crystal], reference: Reference, judge: EnergyJudge, journal: Journal, settings: str
) -> list[dict]:
    """Return the row of each crystal, without what needs the others; the journal keeps them as they come."""
    keys = [_key(crystal, settings) for crystal in crystals]
    missing = [crystal for crystal, key in zip(crystals, keys, strict=True) if key not in journal.items]
    with tqdm(total=len(crystals), initial=len(crystals) - len(missing), desc="judge", unit=" structures") as bar:
        waiting: list[tuple[Crystal, Judged]] = []
        groups = grouped(missing, reference)
        for group, judged in zip(groups, in_order(judge_group, groups, worth=WORTH_SHARING), strict=True):
            waiting += zip(group.crystals, judged, strict=True)
            bar.update(len(judged))
            if len(waiting) >= KEPT_AFTER:
                _keep(waiting, judge, journal, settings)
                waiting = []
        _keep(waiting, judge, journal, settings)
    return [dict(journal.items[key]["row"]) for key in keys]


def _key(crystal: Crystal, settings: str) -> str:
    return crystal.key(f"{settings} {crystal.id} {crystal.formation_energy_per_atom}")


def grouped(crystals: Iterable[Crystal], reference: Reference) -> list[Group]:
    """Return the crystals in tasks: up to ``PIECE`` of one formula with the known crystals of that formula."""
    by_formula: dict[str, list[Crystal]] = {}
    for crystal in crystals:
        by_formula.setdefault(crystal.formula, []).append(crystal)
    return [
        Group(members[start : start + PIECE], reference.by_formula.get(formula, ()), reference.nearest_formula(formula))
        for formula, members in by_formula.items()
        for start in range(0, len(members), PIECE)
    ]


def _keep(waiting: Sequence[tuple[Crystal, Judged]], judge: EnergyJudge, journal: Journal, settings: str) -> None:
    """Add the energies of what the other processes have judged, and enter the rows into the journal."""
    rows = [{**judged.facts, LABEL: _label(crystal, judged.facts)} for crystal, judged in waiting]
    drawn = [(row, judged.graph) for row, (_, judged) in zip(rows, waiting, strict=True) if judged.graph is not None]
    if drawn:
        energies = judge.rows([row["formula"] for row, _ in drawn], [graph for _, graph in drawn])
        for (row, _), found in zip(drawn, energies, strict=True):
            row |= with_interval(found)
    keys = [_key(crystal, settings) for crystal, _ in waiting]
    journal.add([{"key": key, "row": plain(row)} for key, row in zip(keys, rows, strict=True)])


def _label(crystal: Crystal, facts: dict) -> float | None:
    own = crystal.formation_energy_per_atom
    return float(own) if np.isfinite(own) else facts.get("known_energy")


def mark_repeats(rows: Sequence[dict], crystals: Sequence[Crystal], journal: Journal) -> None:
    """Enter into the rows whether each structure is ``unique``, and which earlier one it ``repeats``.

    A structure that is not valid by CDVAE's rule is not compared.
    """
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if row["structure_valid"]:
            places.setdefault(row["formula"], []).append(place)
    several = {f"repeats {_key_of_all(crystals, group)}": group for group in places.values() if len(group) > 1}
    missing = [key for key in several if key not in journal.items]
    tasks = [[crystals[place] for place in several[key]] for key in missing]
    with tqdm(total=len(tasks), desc="unique", unit=" formulas", disable=None) as bar:
        for key, firsts in zip(missing, in_order(repeats, tasks, worth=WORTH_SHARING), strict=True):
            journal.add([{"key": key, "firsts": firsts}])
            bar.update()
    for group in places.values():
        firsts = journal.items[f"repeats {_key_of_all(crystals, group)}"]["firsts"] if len(group) > 1 else [0]
        for own, (place, first) in enumerate(zip(group, firsts, strict=True)):
            rows[place]["unique"] = None if first is None else first == own
            if first is not None and first != own:
                rows[place]["repeats"] = rows[group[first]]["id"]


def _key_of_all(crystals: Sequence[Crystal], places: Sequence[int]) -> str:
    return hashlib.sha256("".join(crystals[place].key() for place in places).encode()).hexdigest()[:32]
