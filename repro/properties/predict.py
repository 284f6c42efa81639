"""Eight properties of any structures, as a table: ``repro.predict`` and ``python -m repro predict``."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from pymatgen.core import Structure
from tqdm import tqdm

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.files.atomic import csv_text, write_text
from data_prep.files.journal import Journal
from data_prep.graphs import Graph
from data_prep.property_labels import FORMATION_ENERGY, PROPERTIES
from data_prep.quarantine import Rejected, Unusable, print_rejected, print_warnings, refuse_species
from data_prep.sources.structure_files import named, read_structures, require_whole
from repro.network_folders import PROPERTY_NETWORKS, identity_of_predictions
from repro.properties.crystal_graphs import with_graphs
from repro.properties.network_folder import load_property_networks
from repro.properties.networks import SPREAD, PropertyNetworks

if TYPE_CHECKING:
    import pandas as pd

HEADER = {"predictions": 1}  # the version of what the journal's rows hold
KEPT_AFTER = 512  # crystals: after so many the rows are kept


def predict(structures: Sequence[Structure | None], weights: Path = PROPERTY_NETWORKS) -> "pd.DataFrame":
    """Return the predicted properties of structures, a row each in their order, units in the columns' names.

    A structure that is None (a candidate that is not valid), is disordered or has no graph has no numbers (NaN), and
    ``warning`` says why. Raises InputError if that is so of all of them.
    """
    import pandas as pd  # half a second: the command line needs none

    crystals, refused = [], []
    for row, structure in enumerate(structures):
        try:
            if structure is not None:
                refuse_species(structure)
                crystals.append(crystal_from_structure(structure, str(row)))
        except Unusable as fault:
            refused.append(fault.of(str(row)))
    drawn, without_graph = with_graphs(crystals)
    refused += without_graph
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

    With ``out``, a command that was killed goes on with what is missing: the rows are kept in a hidden file beside
    ``out`` until all are there. Raises InputError if none can be predicted, and at the end if one of several in a file
    was left out.
    """
    crystals, rejected = read_structures(paths)
    print_rejected(rejected)
    networks = load_property_networks(weights)
    with TemporaryDirectory() as nowhere:
        journal = Journal(out.with_name(f".{out.name}.jsonl") if out else Path(nowhere, "rows.jsonl"), HEADER)
        rows, without_graph = _predicted(crystals, networks, identity_of_predictions(weights), journal)
    left_out = len(rejected) + len(without_graph)
    print_rejected(without_graph)
    print_warnings((row["id"], row["warning"]) for row in rows)
    text = csv_text(rows, digits=4)  # already more than a prediction is worth
    if rows and out:
        write_text(out, text)
        print(f"{len(rows)} predicted, {left_out} left out; {out}")
    elif rows:
        print(text, end="")
    if out:
        journal.path.unlink()
    if not rows:
        count = f"all {left_out} structures were" if left_out > 1 else "its structure was"
        raise InputError(f"{named(paths)}: nothing can be predicted; {count} left out, see above.")
    require_whole(paths, rejected)


def _predicted(
    crystals: Sequence[Crystal], networks: PropertyNetworks, identity: str, journal: Journal
) -> tuple[list[dict[str, str | float]], list[Rejected]]:
    """Return a row of ``property_columns`` for each crystal with a graph, and the others; the journal keeps the rows.

    ``identity`` is that of the networks.
    """
    keys = [crystal.key(f"{identity} {crystal.id}") for crystal in crystals]
    missing = [(key, crystal) for key, crystal in zip(keys, crystals, strict=True) if key not in journal.items]
    refused: list[Rejected] = []
    done = len(crystals) - len(missing)
    few = len(crystals) <= KEPT_AFTER
    with tqdm(total=len(crystals), initial=done, desc="predict", unit=" crystals", disable=few or None) as bar:
        for start in range(0, len(missing), KEPT_AFTER):
            part = missing[start : start + KEPT_AFTER]
            drawn = {}
            for key, crystal in part:
                with_graph, without_graph = with_graphs([crystal])
                refused += without_graph
                if with_graph:
                    drawn[key] = with_graph[0]
            rows = _rows(list(drawn.values()), networks)
            journal.add([{"key": key, "row": row} for key, row in zip(drawn, rows, strict=True)])
            bar.update(len(part))
    return [journal.items[key]["row"] for key in keys if key in journal.items], refused


def _rows(drawn: Sequence[tuple[Crystal, Graph]], networks: PropertyNetworks) -> list[dict[str, str | float]]:
    columns = property_columns(drawn, networks) if drawn else {}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


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
