"""The stage ``graphs`` and what it leaves: graphs, labels of eight properties, and one split for all of them."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.crystal import Crystal
from data_prep.crystal_table import read_crystals, write_crystals
from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.files.checksum import file_sha256
from data_prep.files.npz import DamagedNpz, read_npz, write_npz
from data_prep.graphs import Graph, load_graphs, save_graphs, try_graphs
from data_prep.property_labels import PROPERTIES, property_labels
from data_prep.quarantine import Rejected, screen
from data_prep.sources import read_source
from data_prep.splits import PARTS, limit_crystals, split_crystals
from repro.run import Run
from repro.training.prepare import write_rejected

GRAPHS, CRYSTALS, LABELS, MANIFEST = "graphs.npz", "crystals.npz", "labels.npz", "manifest.json"


@dataclass(frozen=True)
class PropertyData:
    """The crystals that property networks learn from, in one order.

    ``graphs`` n of them; ``parts`` (n,) train, validation or test: one split for all properties, so that no network
    starts from one that has seen its test crystals; ``labels`` by property, (n,) as the network learns them
    (``Property.trained_unit``), NaN if a crystal has none.
    """

    graphs: list[Graph]
    parts: np.ndarray
    labels: dict[str, np.ndarray]

    @property
    def split_sha256(self) -> str:
        """A hash of which crystal is in which part, whatever their order."""
        lines = sorted(f"{graph.id} {part}" for graph, part in zip(self.graphs, self.parts, strict=True))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def labelled(self, name: str, part: str) -> np.ndarray:
        """Return the indices of a part's crystals that have the property."""
        return np.flatnonzero((self.parts == part) & np.isfinite(self.labels[name]))


def graphs(run: Run) -> dict:
    """Read the source, keep crystals of every kind that have a property, build their graphs, split by formula."""
    parameters, network, folder = run.preset.property_data, run.preset.cgcnn, run.folder("graphs")
    found, unreadable = read_source(run.source, cell=parameters.cell)
    usable, unusable = screen(found, max_sites=parameters.max_sites, families=None, require_label=False, cubic=False)
    crystals = limit_crystals(usable, parameters.limit, run.preset.seed, per_family=False)
    drawn, without_graph = _with_graphs(crystals, network.radius, network.neighbours, run.scheduler)
    drawn, labels, dropped, without_label = _label(drawn)
    crystals = [crystal for crystal, _ in drawn]
    parts = split_crystals(
        crystals, parameters.split_by, parameters.test_fraction, parameters.validation_fraction, run.preset.seed,
        per_family=False,
    )  # fmt: skip
    rejected = unreadable + unusable + without_graph + without_label
    counts = {
        "read": len(found) + len(unreadable),
        "used": len(drawn),
        "rejected": dict(Counter(item.reason for item in rejected)),
        "left out by the preset's limit": len(usable) - len(drawn) - len(without_graph) - len(without_label),
        "parts": {part: int((parts == part).sum()) for part in PARTS},
        "lacking neighbours": sum(graph.n_missing > 0 for _, graph in drawn),
        "labels": {name: int(np.isfinite(values).sum()) for name, values in labels.items()},
        "unphysical labels dropped": {name: count for name, count in dropped.items() if count},
    }
    save_graphs([graph for _, graph in drawn], folder / GRAPHS)
    write_crystals(folder / CRYSTALS, crystals)
    write_npz(folder / LABELS, {"parts": parts, **labels}, compressed=True)
    write_rejected(folder / "rejected.csv", rejected)
    sha256 = {name: file_sha256(folder / name) for name in (GRAPHS, CRYSTALS, LABELS)}
    write_json(folder / MANIFEST, {"sha256": sha256} | counts)
    _print_counts(counts, folder)
    return counts


def _with_graphs(
    crystals: Sequence[Crystal], radius: float, n_neighbours: int, scheduler: str | None
) -> tuple[list[tuple[Crystal, Graph]], list[Rejected]]:
    """Return the crystals with their graphs, and those that have none."""
    found = try_graphs(crystals, radius=radius, n_neighbours=n_neighbours, scheduler=scheduler)
    tried = list(zip(crystals, found, strict=True))
    failed = [(crystal, fault) for crystal, fault in tried if isinstance(fault, InputError)]
    drawn = [(crystal, graph) for crystal, graph in tried if isinstance(graph, Graph)]
    return drawn, [Rejected(crystal.id, "no_graph", str(fault)) for crystal, fault in failed]


def _label(
    drawn: Sequence[tuple[Crystal, Graph]],
) -> tuple[list[tuple[Crystal, Graph]], dict[str, np.ndarray], dict[str, int], list[Rejected]]:
    """Return what has a label, the labels by property, how many were dropped as unphysical, and what has none."""
    found = {name: property_labels([crystal for crystal, _ in drawn], name) for name in PROPERTIES}
    has_any = np.any([np.isfinite(values) for values, _ in found.values()], axis=0)
    kept = [pair for pair, has in zip(drawn, has_any, strict=True) if has]
    without = [
        Rejected(crystal.id, "no_label", "none of the eight properties has a physical value")
        for (crystal, _), has in zip(drawn, has_any, strict=True)
        if not has
    ]
    labels = {name: values[has_any] for name, (values, _) in found.items()}
    return kept, labels, {name: dropped for name, (_, dropped) in found.items()}, without


def _print_counts(counts: dict, folder: Path) -> None:
    print(f"{counts['used']} crystals of {counts['read']} have graphs; split {counts['parts']}.")
    if counts["rejected"]:
        print(f"Rejected: {counts['rejected']}; ids and details in {folder / 'rejected.csv'}.")
    print(f"Labels: {counts['labels']}; unphysical and dropped: {counts['unphysical labels dropped'] or 'none'}.")


def load_property_data(run: Run) -> PropertyData:
    """Read what the stage ``graphs`` wrote; raises InputError naming a file that is missing or was changed."""
    folder = run.folder("graphs")
    _check(folder, (GRAPHS, LABELS))
    try:
        arrays = read_npz(folder / LABELS)
        labels, parts = {name: arrays[name] for name in PROPERTIES}, arrays["parts"]
    except (DamagedNpz, KeyError) as error:
        raise InputError(f"{folder / LABELS} is damaged ({error}): run the stage graphs with --again.") from error
    return PropertyData(load_graphs(folder / GRAPHS), parts, labels)


def load_property_crystals(run: Run) -> list[Crystal]:
    """Read the crystals themselves, in the order of ``PropertyData``."""
    folder = run.folder("graphs")
    _check(folder, (CRYSTALS,))
    return read_crystals(folder / CRYSTALS)


def _check(folder: Path, names: Sequence[str]) -> None:
    try:
        stored = json.loads((folder / MANIFEST).read_text())["sha256"]
        damaged = [name for name in names if file_sha256(folder / name) != stored[name]]
    except (OSError, ValueError, KeyError, TypeError) as error:  # a JSON fault and a wrong encoding are ValueErrors
        raise InputError(f"{folder} is not complete ({error}): run the stage graphs with --again.") from error
    if damaged:
        raise InputError(f"{folder / damaged[0]} is damaged: run the stage graphs with --again.")
