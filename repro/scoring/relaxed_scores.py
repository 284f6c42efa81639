"""The energy and the displacement of scored structures after relaxation."""

from collections.abc import Sequence
from pathlib import Path

from data_prep.crystal import Crystal
from repro.relaxation.calculation_store import CONVERGED, structure_from
from repro.relaxation.calculator import Calculator
from repro.relaxation.relax_files import CIFS, distinct_names
from repro.relaxation.relaxation_changes import displacement, write_cifs
from repro.relaxation.relaxation_changes import rows as relaxation_rows


def relax_rows(rows: Sequence[dict], crystals: Sequence[Crystal], calculator: Calculator, out: Path) -> None:
    """Relax the structures that are valid by CDVAE's rule, enter the outcome into their rows, write CIFs into ``out``.

    Formation energies in eV/atom, from elements relaxed in the same way: not those of the hull's generation.
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
        row["relaxed_formation_energy"] = relaxed["formation_energy"]
        if relaxed["status"] == CONVERGED:
            row["displacement"] = displacement(structures[name], structure_from(records[name]["final"]))
            row["volume_percent"] = relaxed["volume_percent"]
