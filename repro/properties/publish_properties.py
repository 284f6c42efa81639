"""python -m repro publish: the property networks of a finished run, with their numbers, into the project."""

import shutil
from pathlib import Path

from data_prep.errors import InputError
from data_prep.files.atomic import replacing
from repro.network_folders import PROPERTY_NETWORKS, copy_networks
from repro.properties.evaluate_properties import SUMMARY
from repro.run import PUBLISHED, Run

RENDERED = ("table1.json", "table1.csv", "table1.md", "figure5.json", "figure5.png")
CALIBRATION = ("calibration.json", "calibration.png")  # of several networks only


def publish_properties(run: Run, to: Path | None = None) -> None:
    """Publish a run's networks and results; raises InputError when one of them has not been made.

    The networks that ``predict`` uses by default are replaced, and their results in ``results/published``;
    with another folder ``to`` its results go to a folder of that name there.
    """
    rendered = RENDERED + (CALIBRATION if run.preset.cgcnn_training.members > 1 else ())
    missing = [name for name in (SUMMARY, *rendered) if not (run.results / name).exists()]
    if missing:
        raise InputError(f"{run.results / missing[0]} is not there: run make table1 figure5 calibration first.")
    weights, results = to or PROPERTY_NETWORKS, PUBLISHED / (to.name if to else "")
    copy_networks(run.folder("properties"), weights)
    for name in rendered:
        with replacing(results / name) as temporary:
            shutil.copyfile(run.results / name, temporary)
    print(f"Networks: {weights}; results: {results}")
