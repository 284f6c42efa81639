"""How stable a crystal is: its energy above the convex hull, with the error of its formation energy."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pymatgen.core import Composition, Structure
from scipy.special import ndtr

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.files.atomic import write_text
from data_prep.graphs import Graph
from data_prep.hull import FOLDER
from data_prep.hull.convex_hull import Hull, HullPoint
from data_prep.hull.table import load_hull
from data_prep.property_labels import FORMATION_ENERGY, PROPERTIES
from data_prep.quarantine import Rejected, print_rejected, print_warnings
from data_prep.sources.structure_files import read_structures, require_whole
from repro.network_folders import PROPERTY_NETWORKS
from repro.properties.crystal_graphs import with_graphs
from repro.properties.network_folder import load_property_networks
from repro.properties.networks import SPREAD, PropertyNetworks
from repro.properties.prediction_widths import interval

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
        row["e_above_hull_low"], row["e_above_hull_high"] = interval(above, width)
        row[PROBABILITY] = float(ndtr((NEAR - above) / width)) if width else float(above <= NEAR)
    return row


@dataclass(frozen=True)
class EnergyJudge:
    """Predicts formation energies with their calibrated errors, and how stable that makes crystals."""

    networks: PropertyNetworks
    hull: Hull

    @classmethod
    def load(cls, weights: Path, hull: Hull) -> "EnergyJudge":
        """Return the judge of a folder of property networks; raises InputError if none is of the formation energy."""
        networks = load_property_networks(weights)
        if FORMATION_ENERGY not in networks.by_property:
            raise InputError(f"{weights} has no network of the formation energy: give others with --weights.")
        if FORMATION_ENERGY not in networks.widths:
            print(f"{weights} is not calibrated: no interval and no probability (python -m repro calibrate).")
        return cls(networks.only(FORMATION_ENERGY), hull)

    def rows(self, formulas: Sequence[str], graphs: Sequence[Graph]) -> list[dict]:
        """Return for each crystal its formation energy, spread and width (eV/atom), ``COLUMNS``, and a ``warning``."""
        found = self.networks.predict(graphs)[FORMATION_ENERGY]
        energies, spread = found.values.astype(np.float64), found.spread
        widths = np.full(len(formulas), np.nan) if found.width is None else found.width
        rows = stability(formulas, energies, widths, self.hull)
        for place, (row, graph) in enumerate(zip(rows, graphs, strict=True)):
            own = {FORMATION_ENERGY: float(energies[place])}
            own |= {} if spread is None else {SPREAD: float(spread[place])}
            rows[place] = own | {WIDTH: float(widths[place])} | row | {"warning": self.networks.unseen(graph)}
        return rows


def hull_files(
    paths: Sequence[Path], out: Path | None = None, weights: Path = PROPERTY_NETWORKS, folder: Path = FOLDER
) -> None:
    """Print how stable the crystals of files or folders are, or write it to ``out`` as CSV.

    ``weights`` is the folder of property networks, ``folder`` that of the hull. Raises InputError if nothing can be
    said of any crystal.
    """
    hull, without_reference, crystals = load_hull(folder), [], []
    found, unreadable = read_structures(paths)
    for crystal in found:
        try:
            hull.at(Composition(crystal.formula))
            crystals.append(crystal)
        except InputError as error:
            without_reference.append(Rejected(crystal.id, "no_reference", str(error)))
    drawn, without_graph = with_graphs(crystals)
    refused = unreadable + without_reference + without_graph
    print_rejected(refused)
    if not drawn:
        raise InputError(
            f"{paths[0]}: nothing can be said of any crystal; all {len(refused)} were left out, see above."
        )
    table = _table(drawn, EnergyJudge.load(weights, hull))
    print_warnings(zip(table["id"], table["warning"], strict=True))
    if out is None:
        print(_screen(table))
    else:
        write_text(out, table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))
        print(f"{len(drawn)} crystals, {len(refused)} left out; {out}")
    require_whole(paths, unreadable)


def _table(drawn: Sequence[tuple[Crystal, Graph]], judge: EnergyJudge) -> "pd.DataFrame":
    """Return a row for each crystal with its graph: formation energy, its error, and stability, units in the names."""
    import pandas as pd

    formulas = [crystal.formula for crystal, _ in drawn]
    rows = judge.rows(formulas, [graph for _, graph in drawn])
    units = dict.fromkeys((FORMATION_ENERGY, SPREAD, WIDTH), PROPERTIES[FORMATION_ENERGY].unit) | COLUMNS
    columns = {"id": [crystal.id for crystal, _ in drawn], "formula": formulas}
    for name in rows[0]:
        columns[name + (f" ({units[name]})" if units.get(name) else "")] = [row[name] for row in rows]
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
