"""The energy and the displacement of scored structures after relaxation."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.crystal import Crystal
from data_prep.property_labels import FORMATION_ENERGY
from repro.relaxation.calculation_store import CONVERGED, structure_from
from repro.relaxation.calculator import Calculator
from repro.relaxation.potentials import LabelError
from repro.relaxation.relax_files import CIFS, FILE, distinct_names
from repro.relaxation.relaxation_changes import displacement, write_cifs
from repro.relaxation.relaxation_changes import rows as relaxation_rows
from repro.scoring.score_rows import METHOD, RELAXED_ABOVE, RELAXED_FILE, RELAXED_HIGH, RELAXED_LOW


def relax_rows(rows: Sequence[dict], crystals: Sequence[Crystal], calculator: Calculator, out: Path) -> None:
    """Relax the structures that are valid by CDVAE's rule, enter the outcome into their rows, write CIFs into ``out``.

    Formation energies in eV/atom, from elements relaxed in the same way. They are not of the hull's generation: the
    mean error of the potential is taken off before they are compared with the hull.
    """
    chosen = [place for place, row in enumerate(rows) if row["structure_valid"]]
    names = distinct_names([crystals[place].id for place in chosen])
    structures = {name: crystals[place].structure() for name, place in zip(names, chosen, strict=True)}
    records, elements = calculator.with_elements(structures, "structures")
    found = relaxation_rows(structures, records, elements)
    write_cifs(found, records, out / CIFS)
    for name, place in zip(names, chosen, strict=True):
        row, relaxed = rows[place], found[name]
        row["relaxation"] = ": ".join(filter(None, (relaxed["status"], relaxed["reason"])))
        row[METHOD], row[RELAXED_FILE] = calculator.method.title, relaxed.get(FILE)
        row["relaxed_formation_energy"] = relaxed["formation_energy"]
        if relaxed["status"] == CONVERGED:
            row["displacement"] = displacement(structures[name], structure_from(records[name]["final"]))
            row["volume_percent"] = relaxed["volume_percent"]
        row |= _above_hull(row, calculator.method.label_error(crystals[place].family))


def _above_hull(row: Mapping, error: LabelError | None) -> dict[str, float]:
    """Return the energy above the hull (eV/atom) of a relaxed structure with its 90 % interval, as far as known."""
    if error is None or row["relaxed_formation_energy"] is None or row.get("e_above_hull") is None:
        return {}
    hull = row[FORMATION_ENERGY] - row["e_above_hull"]
    above = row["relaxed_formation_energy"] - error.mean - hull
    bounds = (above - error.half_width, above, above + error.half_width)
    return dict(zip((RELAXED_LOW, RELAXED_ABOVE, RELAXED_HIGH), bounds, strict=True))
