"""Eight properties of any structures, as a table: ``repro.predict`` and ``python -m repro predict``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pymatgen.core import Structure

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.files.atomic import csv_text, write_text
from data_prep.graphs import Graph
from data_prep.property_labels import FORMATION_ENERGY, PROPERTIES
from data_prep.quarantine import print_rejected
from data_prep.sources.structure_files import named, read_structures, require_whole
from repro.network_folders import PROPERTY_NETWORKS
from repro.properties.crystal_graphs import with_graphs
from repro.properties.network_folder import load_property_networks
from repro.properties.networks import SPREAD, PropertyNetworks

if TYPE_CHECKING:
    import pandas as pd


def predict(structures: Sequence[Structure | None], weights: Path = PROPERTY_NETWORKS) -> "pd.DataFrame":
    """Return the predicted properties of structures, a row each in their order, units in the columns' names.

    A structure that is None (a candidate that is not valid) or has no graph has no numbers (NaN), and ``warning``
    says why. Raises InputError if that is so of all of them.
    """
    import pandas as pd  # half a second: the command line needs none

    crystals = [crystal_from_structure(one, str(row)) for row, one in enumerate(structures) if one is not None]
    drawn, refused = with_graphs(crystals)
    if not drawn:
        reason = refused[0].detail if refused else "there is no structure; give those of valid candidates"
        raise InputError(f"Nothing can be predicted: {reason}.")
    table = pd.DataFrame(property_columns(drawn, load_property_networks(weights)))
    table.index = table.pop("id").astype(int)
    table = table.reindex(range(len(structures))).rename_axis(index=None)
    reasons = {int(one.id): one.detail for one in refused}
    missing = [row for row in range(len(structures)) if row not in {int(crystal.id) for crystal, _ in drawn}]
    table.loc[missing, "warning"] = [reasons.get(row, "no structure") for row in missing]
    return table


def predict_files(paths: Sequence[Path], out: Path | None = None, weights: Path = PROPERTY_NETWORKS) -> None:
    """Predict the structures of ``paths`` as CSV, to the screen or ``out``.

    Raises InputError if none can be, and at the end if one of several in a file was left out.
    """
    crystals, rejected = read_structures(paths)
    drawn, without_graph = with_graphs(crystals)
    refused = rejected + without_graph
    print_rejected(refused)
    if not drawn:
        count = f"all {len(refused)} structures were" if len(refused) > 1 else "its structure was"
        raise InputError(f"{named(paths)}: nothing can be predicted; {count} left out, see above.")
    columns = property_columns(drawn, load_property_networks(weights))
    for id, warning in zip(columns["id"], columns["warning"], strict=True):
        if warning:
            print(f"{id}: {warning}", file=sys.stderr)
    rows = [dict(zip(columns, map(_written, row), strict=True)) for row in zip(*columns.values(), strict=True)]
    text = csv_text(rows)
    if out is None:
        print(text, end="")
    else:
        write_text(out, text)
        print(f"{len(drawn)} predicted, {len(refused)} left out; {out}")
    require_whole(paths, rejected)


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def property_columns(drawn: Sequence[tuple[Crystal, Graph]], networks: PropertyNetworks) -> dict[str, Sequence]:
    """Return the predictions of crystals with their graphs: the unit of every property in its column's name.

    ``.._low`` and ``.._high`` bound 90 % intervals. ``warning`` names elements and numbers of neighbours that were not
    in the training.
    """
    crystals, graphs = [crystal for crystal, _ in drawn], [graph for _, graph in drawn]
    columns: dict[str, Sequence] = {
        "id": [crystal.id for crystal in crystals],
        "formula": [crystal.formula for crystal in crystals],
    }
    for name, prediction in networks.predict(graphs).items():
        unit = f" ({PROPERTIES[name].unit})" if PROPERTIES[name].unit else ""
        columns[name + unit] = prediction.values.astype(np.float64)
        if prediction.low is not None:
            columns[f"{name}_low{unit}"], columns[f"{name}_high{unit}"] = prediction.low, prediction.high
        if name == FORMATION_ENERGY and prediction.spread is not None:
            columns[SPREAD + unit] = prediction.spread.astype(np.float64)
    columns["warning"] = [networks.unseen(graph) for graph in graphs]
    return columns
