"""The row of one structure: its columns, how far it came, and why no farther."""

from collections.abc import Iterable, Mapping

from data_prep.property_labels import FORMATION_ENERGY
from data_prep.quarantine import Rejected
from repro.properties.networks import SPREAD
from repro.properties.prediction_widths import interval
from repro.properties.stability import COLUMNS as STABILITY
from repro.properties.stability import NEAR, WIDTH

LOW, HIGH, LABEL = "formation_energy_low", "formation_energy_high", "formation_energy_label"
RELAXED_ABOVE, RELAXED_LOW, RELAXED_HIGH = (f"relaxed_e_above_hull{end}" for end in ("", "_low", "_high"))
METHOD, RELAXED_FILE = "relaxation_method", "relaxed_file"  # by its title; a CIF, from the folder of the scores
RELAXATION = (
    "relaxation", "relaxed_formation_energy", "displacement", "volume_percent",
    RELAXED_ABOVE, RELAXED_LOW, RELAXED_HIGH, METHOD, RELAXED_FILE,
)  # fmt: skip
COLUMNS = (
    "id", "failed_at", "why", "readable", "formula", "n_sites", "n_elements", "spacegroup", "spacegroup_symbol",
    "density", "smallest_distance", "closeness", "structure_valid", "structure_valid_paper", "composition_valid",
    "unique", "repeats", "known", "known_formula", "nearest_known", "distance_to_known", "nearest_formula",
    FORMATION_ENERGY, SPREAD, WIDTH, LOW, HIGH, *STABILITY, LABEL, "warning", *RELAXATION,
)  # fmt: skip
STAGES = ("read", "valid", "unique", "new", "metastable")  # of the funnel, each among those of the one before
NOT_COMPARED = "the cell is too large, or cannot be reduced, to be compared with others"


def unread_row(rejected: Rejected) -> dict:
    """Return the row of a structure that could not be read."""
    return {"id": rejected.id, "readable": False, "no_structure": rejected.detail.removeprefix(f"{rejected.id}: ")}


def with_interval(energies: Mapping) -> dict:
    """Return what an ``EnergyJudge`` says of a crystal with the 90 % interval of its formation energy, eV/atom."""
    low, high = interval(energies[FORMATION_ENERGY], energies[WIDTH])
    return {**energies, LOW: low, HIGH: high}


def finished(rows: Iterable[dict]) -> list[dict]:
    """Return the rows under ``COLUMNS``, with the stage at which each failed (blank: at none)."""
    found = []
    for row in rows:
        faults = list(stage_faults(row))
        stage = next((stage for stage, _ in faults), "")
        row = {**row, "failed_at": stage, "why": "; ".join(text for _, text in faults)}
        found.append({name: row.get(name) for name in COLUMNS})
    return found


def stage_faults(row: Mapping) -> Iterable[tuple[str, str]]:
    """Yield the ``STAGES`` that a structure does not pass by itself, in their order, with the reasons in words."""
    if not row["readable"]:
        yield "read", row["no_structure"]
        return
    for text in row["faults"].values():
        yield "valid", text
    if row.get("repeats"):
        yield "unique", f"it repeats {row['repeats']}"
    elif row["structure_valid"] and row.get("unique") is None:
        yield "unique", NOT_COMPARED
    if row.get("known"):
        yield "new", f"it is known as {row['nearest_known']}"
    elif row["structure_valid"] and row.get("known") is None:
        yield "new", NOT_COMPARED
    above = row.get("e_above_hull")
    if above is None:
        yield "metastable", f"no energy above the hull: {row['no_energy'] or 'an element has no reference in the hull'}"
    elif above > NEAR:
        yield "metastable", f"{above:.2f} eV/atom above the hull, at most {NEAR} count"


def passes(row: Mapping, stage: str) -> bool:
    """Return whether a finished row came through ``stage`` of the funnel, and so through all before it."""
    return not row["failed_at"] or STAGES.index(row["failed_at"]) > STAGES.index(stage)


def stable_unique_new(row: Mapping) -> bool:
    """Return whether a finished row is valid, unique, new and near the hull after relaxation: S.U.N. to the field."""
    return passes(row, "new") and row[RELAXED_ABOVE] is not None and row[RELAXED_ABOVE] <= NEAR
