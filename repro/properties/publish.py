"""python -m repro publish: the property networks of a finished run, with their numbers, into the project."""

import shutil
from pathlib import Path

import numpy as np

from data_prep.coordination import all_coordinations
from data_prep.errors import InputError
from data_prep.files.atomic import replacing
from repro.properties.data import load_property_data
from repro.properties.evaluate import SUMMARY
from repro.properties.train import trained_networks
from repro.properties.weights import CGCNN_WEIGHTS, publish
from repro.run import PUBLISHED, Run

RENDERED = ("table1.json", "table1.csv", "table1.md", "figure5.json", "figure5.png")
CALIBRATION = ("calibration.json", "calibration.png")  # of several networks only


def publish_run(run: Run, to: Path | None) -> None:
    """Publish a run's networks and results; raises InputError when one of them has not been made.

    The networks that ``predict`` uses by default are replaced, and their results in ``results/published``;
    with another folder ``to`` its results go to a folder of that name there.
    """
    rendered = RENDERED + (CALIBRATION if run.preset.cgcnn.members > 1 else ())
    missing = [name for name in (SUMMARY, *rendered) if not (run.results / name).exists()]
    if missing:
        raise InputError(f"{run.results / missing[0]} is not there: run make table1 figure5 calibration first.")
    data = load_property_data(run)
    training = np.flatnonzero(data.parts == "train")
    seen = all_coordinations(data.graphs[index] for index in training)
    facts = {
        "preset": run.preset.name,
        "source": run.source_name,
        "split": {"by": run.preset.property_data.split_by, "seed": run.preset.seed},
        "training_crystals": len(training),
    }
    weights, results = to or CGCNN_WEIGHTS, PUBLISHED / (to.name if to else "")
    publish(weights, trained_networks(run), run.preset.cgcnn, seen, facts)
    for name in rendered:
        with replacing(results / name) as temporary:
            shutil.copyfile(run.results / name, temporary)
    print(f"Networks: {weights}; results: {results}")
