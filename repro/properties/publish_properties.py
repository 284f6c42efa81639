"""python -m repro publish: the property networks of a finished run, with their numbers, into the project."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep.errors import InputError
from data_prep.files.atomic import replacing
from data_prep.files.json_files import read_json
from models.beyond_paper import network_name
from repro.network_folders import (
    MANIFEST,
    PAPERS_PROPERTY_NETWORKS,
    PROPERTY_NETWORKS,
    WIDTHS,
    copy_networks,
    identity_of_networks,
    read_manifest,
)
from repro.properties.evaluate_properties import SUMMARY
from repro.run import PUBLISHED, Run
from repro.stages import identity_of
from repro.training.training_record import write_record

RENDERED = ("table1.json", "table1.csv", "table1.md", "figure5.json", "figure5.png")
CALIBRATION = ("calibration.json", "calibration.png")  # of several networks only
_REMEDY = "run make table1 figure5 calibration"


def publish_properties(run: Run, to: Path | None = None) -> None:
    """Publish a run's networks and results; raises InputError when one of them has not been made, or made anew.

    Those of the paper's architecture go to ``weights/cgcnn`` and their results to ``results/published``; others, which
    ``predict`` uses by default, to ``weights/cgcnn-improved`` or to the folder ``to``, and their results to a folder of
    that name there.
    """
    rendered = RENDERED + (CALIBRATION if run.preset.cgcnn_training.members > 1 else ())
    missing = [name for name in (SUMMARY, *rendered) if not (run.results / name).exists()]
    if missing:
        raise InputError(f"{run.results / missing[0]} is not there: {_REMEDY} first.")
    identity_of("evaluate-properties", run)
    _refuse_earlier_results(run.results, rendered)
    papers = network_name(run.preset.cgcnn) == "cgcnn"
    weights = to or (PAPERS_PROPERTY_NETWORKS if papers else PROPERTY_NETWORKS)
    results = PUBLISHED / ("" if papers and not to else weights.name)
    _refuse_another_split(run.folder("properties"), weights)
    before = identity_of_networks(weights)
    copy_networks(run.folder("properties"), weights)
    if identity_of_networks(weights) != before:
        (weights / WIDTHS).unlink(missing_ok=True)  # those of the networks that were there before
        print(
            f"Predictions have intervals again once 'python -m repro calibrate --weights {weights}' has measured them."
        )
    write_record(weights, run, {"train-cgcnn": "*/"})
    for name in rendered:
        with replacing(results / name) as temporary:
            shutil.copyfile(run.results / name, temporary)
    print(f"Networks: {weights}; results: {results}")


def _refuse_earlier_results(results: Path, rendered: Sequence[str]) -> None:
    """Raise InputError if a table or figure has other numbers than the measurement of the present networks."""
    for name, numbers in _measured(results / SUMMARY).items():
        if name in rendered and not _holds(read_json(results / name, _REMEDY), numbers):
            raise InputError(f"{results / name} is of earlier networks or damaged: {_REMEDY}.")


def _measured(summary: Path) -> dict[str, Any]:
    """Return by the file that shows them the numbers measured; raises InputError if the summary is damaged."""
    found = read_json(summary, "run make evaluate-properties")
    try:
        shown = {"mae": "mae", "mae_interval": "mae_interval", "r2": "r2", "count": "n_test"}  # in a panel, in a row
        panels = {row["property"]: {name: row[key] for name, key in shown.items()} for row in found["rows"]}
        return {
            "table1.json": {"rows": found["rows"]},
            "figure5.json": panels,
            "calibration.json": found.get("calibration"),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{summary} is damaged: run make evaluate-properties again.") from error


def _holds(shown: Any, measured: Any) -> bool:
    """Return whether ``shown`` has all that was ``measured``: an object may have more beside it, a list may not."""
    if isinstance(measured, dict) and isinstance(shown, dict):
        return all(name in shown and _holds(shown[name], value) for name, value in measured.items())
    if isinstance(measured, list) and isinstance(shown, list):
        return len(shown) == len(measured) and all(map(_holds, shown, measured))
    return shown == measured


def _refuse_another_split(ours: Path, published: Path) -> None:
    """Raise InputError if published networks of the same source were held out from other crystals than ours.

    The split counts with the hash of its parts, which ``require_split`` leaves out: a source may get new labels, but
    errors can be compared on the same crystals alone.
    """
    if not (published / MANIFEST).exists():
        return
    before, now = read_manifest(published), read_manifest(ours)
    if before.get("source") == now.get("source") and before.get("split") != now.get("split"):
        raise InputError(
            f"{ours} has the split {now.get('split')}, {published} of the same source has {before.get('split')}: "
            "their errors could not be compared; publish with --to another folder."
        )
