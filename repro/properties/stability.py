"""How stable a crystal is: its energy above the convex hull, with the error of its formation energy."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pymatgen.core import Composition, Structure
from scipy.special import ndtr

from data_prep.errors import InputError
from data_prep.files.atomic import write_text
from data_prep.hull import FOLDER
from data_prep.hull.convex_hull import Hull, HullPoint
from data_prep.hull.table import load_hull
from data_prep.property_labels import FORMATION_ENERGY, PROPERTIES
from data_prep.quarantine import Rejected, print_rejected
from data_prep.sources.structure_files import read_structures
from repro.network_folders import PROPERTY_NETWORKS
from repro.properties.network_folder import load_property_networks
from repro.properties.networks import SPREAD
from repro.properties.predict import with_graphs
from repro.properties.prediction_widths import DEVIATIONS

if TYPE_CHECKING:
    import pandas as pd

NEAR = 0.1  # eV/atom above the hull: crystals that have been made rarely lie higher
WIDTH = "formation_energy_width"  # eV/atom: calibrated standard deviation of the prediction
PROBABILITY = f"probability_within_{NEAR}"
COLUMNS = {  # of a row of ``stability``, with their units
    "e_above_hull": "eV/atom",
    "e_above_hull_low": "eV/atom",
    "e_above_hull_high": "eV/atom",
    PROBABILITY: "",
    "decomposition": "",
    "hull_covered": "",
}


def stability(
    compounds: Sequence[Structure | Composition | str],
    energies: Sequence[float | None],
    widths: Sequence[float | None],
    hull: Hull | None = None,
) -> list[dict[str, float | str | bool | None]]:
    """Return a row of ``COLUMNS`` for each compound.

    ``energies`` are formation energies and ``widths`` their standard deviations, eV/atom, of the hull's label
    generation; None or NaN if there is none. ``e_above_hull_low`` and ``_high`` bound the 90 % interval, and
    ``probability_within_0.1`` is that of lying at most 0.1 eV/atom above the hull, both under a normal error. If the
    chemical system is not covered, all are lower bounds (the probability an upper one). A compound of an element
    that the hull has no reference of gets a row of None. Negative distances lie below all that is known.
    """
    hull = hull or load_hull()
    rows = []
    for compound, energy, width in zip(compounds, energies, widths, strict=True):
        composition = compound.composition if isinstance(compound, Structure) else Composition(compound)
        try:
            rows.append(_row(hull.at(composition), _number(energy), _number(width)))
        except InputError:
            rows.append(dict.fromkeys(COLUMNS))
    return rows


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _row(point: HullPoint, energy: float | None, width: float | None) -> dict[str, float | str | bool | None]:
    row = dict.fromkeys(COLUMNS) | {"decomposition": point.decomposition(), "hull_covered": point.covered}
    if energy is None:
        return row
    row["e_above_hull"] = above = energy - point.energy
    if width is not None:
        row["e_above_hull_low"], row["e_above_hull_high"] = above - DEVIATIONS * width, above + DEVIATIONS * width
        row[PROBABILITY] = float(ndtr((NEAR - above) / width)) if width else float(above <= NEAR)
    return row


def hull_files(
    paths: Sequence[Path], out: Path | None = None, weights: Path = PROPERTY_NETWORKS, folder: Path = FOLDER
) -> None:
    """Print how stable the crystals of files or folders are, or write it to ``out`` as CSV.

    ``weights`` is the folder of property networks, ``folder`` that of the hull. Raises InputError if nothing can be
    said of any crystal.
    """
    hull, refused, crystals = load_hull(folder), [], []
    for path in paths:
        found, rejected = read_structures(path)
        refused += rejected
        for crystal in found:
            try:
                hull.at(Composition(crystal.formula))
                crystals.append(crystal)
            except InputError as error:
                refused.append(Rejected(crystal.id, "no_reference", str(error)))
    drawn, without_graph = with_graphs(crystals)
    refused += without_graph
    print_rejected(refused)
    if not drawn:
        raise InputError(
            f"{paths[0]}: nothing can be said of any crystal; all {len(refused)} were left out, see above."
        )
    table = _table(drawn, weights, hull)
    for id, warning in zip(table["id"], table["warning"], strict=True):
        if warning:
            print(f"{id}: {warning}", file=sys.stderr)
    if out is None:
        print(_screen(table))
        return
    write_text(out, table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
    print(f"{len(drawn)} crystals, {len(refused)} left out; {out}")


def _table(drawn: Sequence[tuple], weights: Path, hull: Hull) -> "pd.DataFrame":
    """Return a row for each crystal with its graph: formation energy, its error, and stability, units in the names."""
    import pandas as pd

    networks = load_property_networks(weights)
    if FORMATION_ENERGY not in networks.by_property:
        raise InputError(f"{weights} has no network of the formation energy: give others with --weights.")
    crystals, graphs = [crystal for crystal, _ in drawn], [graph for _, graph in drawn]
    found = networks.only(FORMATION_ENERGY).predict(graphs)[FORMATION_ENERGY]
    formulas, energies = [crystal.formula for crystal in crystals], found.values.astype(np.float64)
    widths = np.full(len(drawn), np.nan) if found.width is None else found.width
    if found.width is None:
        print(f"{weights} is not calibrated: no interval and no probability (python -m repro calibrate).")
    unit = f" ({PROPERTIES[FORMATION_ENERGY].unit})"
    columns = {"id": [crystal.id for crystal in crystals], "formula": formulas, FORMATION_ENERGY + unit: energies}
    if found.spread is not None:
        columns[SPREAD + unit] = found.spread.astype(np.float64)
    columns[WIDTH + unit] = widths
    rows = stability(formulas, energies, widths, hull)
    for name, its_unit in COLUMNS.items():
        columns[name + (f" ({its_unit})" if its_unit else "")] = [row[name] for row in rows]
    columns["warning"] = [networks.unseen(graph) for graph in graphs]
    return pd.DataFrame(columns)


def _screen(table: "pd.DataFrame") -> str:
    """Return the table for a reader: what matters, and a sentence on what the bounds are."""
    short = table.drop(columns=[name for name in table if name.startswith((SPREAD, WIDTH)) or name == "warning"])
    text = short.rename(columns=lambda name: name.removesuffix(" (eV/atom)")).to_string(
        index=False, float_format="{:.3f}".format, na_rep="-"
    )
    notes = [f"Energies in eV/atom; low and high bound the 90 % interval; {PROBABILITY} of the hull."]
    if not table["hull_covered"].all():
        notes.append("hull_covered False: no compound of exactly these elements is known, the energy is a lower bound.")
    return "\n".join([text, *notes])
