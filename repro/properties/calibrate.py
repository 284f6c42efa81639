"""python -m repro calibrate: how far the predictions of published networks are off, on crystals that were held out."""

from pathlib import Path

import numpy as np

from data_prep.errors import InputError
from data_prep.property_labels import PROPERTIES
from data_prep.quarantine import screen
from repro.network_folders import WIDTHS, read_manifest
from repro.properties.network_folder import load_property_networks, require_split
from repro.properties.networks import PropertyNetworks
from repro.properties.prediction_widths import OTHER, Predicted, measure_widths, write_widths
from repro.properties.property_data import PropertyData, load_property_crystals, load_property_data
from repro.run import Run


def calibrate(run: Run, weights: Path) -> None:
    """Measure the widths of the networks in ``weights`` on the run's validation part, and write them beside these.

    A property that no validation crystal has gets none. Raises InputError if that is so of all, or if the networks were
    trained on another source or split: these crystals are then not held out.
    """
    consequence = "its error has to be measured on crystals that were held out"
    split = require_split(read_manifest(weights), weights, run, consequence)
    data, networks = load_property_data(run), load_property_networks(weights, calibrated=False)
    crystals = load_property_crystals(run)
    # A family's width is that of its cubic crystals, which are harder than others of these formulas.
    cubic = {one.id: one.family for one in screen(crystals, require_label=False, may_be_empty=True)[0]}
    families = np.array([cubic.get(one.id, OTHER) for one in crystals])
    unseen = np.array([bool(networks.unseen(graph)) for graph in data.graphs])
    widths = {}
    for name in networks.by_property:
        validation, test = (_predicted(name, networks, data, families, unseen, part) for part in ("validation", "test"))
        if not len(validation.errors):
            print(f"{PROPERTIES[name].title}: no validation crystal has it, so its predictions get no interval")
            continue
        widths[name] = measure_widths(validation, test)
        for family, one in widths[name].families.items():
            print(
                f"{PROPERTIES[name].title}, {family}: {_share(one.coverage)} of {one.test} test crystals within the "
                f"90 % interval (fitted on {one.validation}), mean error {one.mae or np.nan:.3g} "
                f"{PROPERTIES[name].trained_unit}",
                flush=True,
            )
        far = widths[name]
        print(f"  unlike all training crystals: {_share(far.unseen_coverage)} of {far.unseen_test}", flush=True)
    if not widths:
        raise InputError(f"{run.source_name} has no validation crystal with a property of {weights}: nothing measured.")
    write_widths(weights, widths, {"source": run.source_name, "split": split})
    print(weights / WIDTHS)


def _predicted(
    name: str, networks: PropertyNetworks, data: PropertyData, families: np.ndarray, unseen: np.ndarray, part: str
) -> Predicted:
    chosen = data.labelled(name, part)
    values, spread = networks.as_learned(name, [data.graphs[index] for index in chosen])
    return Predicted(values, spread, values - data.labels[name][chosen], families[chosen], unseen[chosen])


def _share(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"
