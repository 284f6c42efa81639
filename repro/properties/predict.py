"""python -m repro predict: eight properties of the structures in a file or folder, as CSV."""

import argparse
import csv
import io
import sys
from collections.abc import Sequence

from pymatgen.core import Element

from data_prep.coordination import coordinations
from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.files.atomic import write_text
from data_prep.graphs import Graph, crystal_graph
from data_prep.property_labels import FORMATION_ENERGY, PROPERTIES
from data_prep.quarantine import Rejected, print_rejected
from data_prep.sources.structure_files import read_structures
from repro.properties.networks import SPREAD, Prediction, predict_properties
from repro.properties.weights import CGCNN_WEIGHTS, load_published

MAX_SITES = 50  # F26: what the networks were trained on
SAME = 0.01  # Å: sites of a large cell that differ by more are not repeats of each other


def predict_files(options: argparse.Namespace) -> None:
    """Predict what ``options.path`` holds; raises InputError when nothing of it can be predicted."""
    crystals, rejected = read_structures(options.path)
    drawn, without_graph = draw(crystals)
    refused = rejected + without_graph
    print_rejected(refused)
    if not drawn:
        count = f"all {len(refused)} structures were" if len(refused) > 1 else "its structure was"
        raise InputError(f"{options.path}: nothing can be predicted; {count} left out, see above.")
    published = load_published(options.weights or CGCNN_WEIGHTS)
    found = predict_properties(published.networks, [graph for _, graph in drawn])
    warnings = [unseen(graph, published.coordinations) for _, graph in drawn]
    for (crystal, _), text in zip(drawn, warnings, strict=True):
        if text:
            print(f"{crystal.id}: {text}", file=sys.stderr)
    table = to_csv([crystal for crystal, _ in drawn], found, warnings)
    if options.out is None:
        print(table, end="")
        return
    write_text(options.out, table)
    print(f"{len(drawn)} predicted, {len(refused)} left out; {options.out}")


def draw(crystals: Sequence[Crystal]) -> tuple[list[tuple[Crystal, Graph]], list[Rejected]]:
    """Return the crystals with their graphs, and those that have none; cells too large are reduced first."""
    drawn, rejected = [], []
    for crystal in crystals:
        try:
            crystal = _small(crystal)
            drawn.append((crystal, crystal_graph(crystal)))
        except InputError as error:
            rejected.append(Rejected(crystal.id, "no_graph", str(error)))
    return drawn, rejected


def _small(crystal: Crystal) -> Crystal:
    if crystal.n_sites <= MAX_SITES:
        return crystal
    primitive = crystal_from_structure(crystal.structure().get_primitive_structure(tolerance=SAME), crystal.id)
    if primitive.n_sites > MAX_SITES:
        raise InputError(f"{crystal.id}: {primitive.n_sites} sites, the networks were trained on at most {MAX_SITES}.")
    return primitive


def unseen(graph: Graph, seen: dict[int, list[int]]) -> str:
    """Return what of a crystal the networks never met in training, as a sentence; empty where nothing."""
    parts = []
    for z, count in sorted(coordinations(graph)):
        symbol = Element.from_Z(z).symbol
        if z not in seen:
            parts.append(f"{symbol} was never seen in training")
        elif count not in seen[z]:
            parts.append(f"{symbol} with {count} nearest neighbours was never seen in training")
    return "; ".join(dict.fromkeys(parts))


def to_csv(crystals: Sequence[Crystal], found: dict[str, Prediction], warnings: Sequence[str]) -> str:
    """Return the predictions as CSV, a row a crystal, the unit of every property in its heading."""
    columns = {"id": [crystal.id for crystal in crystals], "formula": [crystal.formula for crystal in crystals]}
    for name, prediction in found.items():
        unit = f" ({PROPERTIES[name].unit})" if PROPERTIES[name].unit else ""
        columns[name + unit] = [_text(value) for value in prediction.values]
        if name == FORMATION_ENERGY and prediction.spread is not None:
            columns[SPREAD + unit] = [_text(value) for value in prediction.spread]
    columns["warning"] = list(warnings)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def _text(value: float) -> str:
    return f"{value:.4g}"
