"""python -m repro publish: the property networks of a finished run, with their numbers, into the project."""

import shutil
from pathlib import Path

from data_prep.errors import InputError
from data_prep.files.atomic import replacing
from data_prep.files.json_files import read_json
from models.beyond_paper import network_name
from repro.network_folders import (
    MANIFEST,
    PAPERS_PROPERTY_NETWORKS,
    PROPERTY_NETWORKS,
    copy_networks,
    read_manifest,
)
from repro.properties.evaluate_properties import SUMMARY
from repro.run import PUBLISHED, Run
from repro.stages import identity_of
from repro.training.training_record import write_record

RENDERED = ("table1.json", "table1.csv", "table1.md", "figure5.json", "figure5.png")
CALIBRATION = ("calibration.json", "calibration.png")  # of several networks only


def publish_properties(run: Run, to: Path | None = None) -> None:
    """Publish a run's networks and results; raises InputError when one of them has not been made, or made anew.

    Those of the paper's architecture go to ``weights/cgcnn`` and their results to ``results/published``; others, which
    ``predict`` uses by default, to ``weights/cgcnn-improved`` or to the folder ``to``, and their results to a folder of
    that name there.
    """
    rendered = RENDERED + (CALIBRATION if run.preset.cgcnn_training.members > 1 else ())
    missing = [name for name in (SUMMARY, *rendered) if not (run.results / name).exists()]
    if missing:
        raise InputError(f"{run.results / missing[0]} is not there: run make table1 figure5 calibration first.")
    identity_of("evaluate-properties", run)
    measured, shown = (_rows(run.results / name) for name in (SUMMARY, "table1.json"))
    if [before | now for before, now in zip(shown, measured, strict=False)] != shown or len(shown) != len(measured):
        raise InputError(f"{run.results / 'table1.json'} is of earlier networks: run make table1 figure5 calibration.")
    papers = network_name(run.preset.cgcnn) == "cgcnn"
    weights = to or (PAPERS_PROPERTY_NETWORKS if papers else PROPERTY_NETWORKS)
    results = PUBLISHED / ("" if papers and not to else weights.name)
    _refuse_another_split(run.folder("properties"), weights)
    copy_networks(run.folder("properties"), weights)
    write_record(weights, run, {"train-cgcnn": "*/"})
    for name in rendered:
        with replacing(results / name) as temporary:
            shutil.copyfile(run.results / name, temporary)
    print(f"Networks: {weights}; results: {results}")


def _rows(path: Path) -> list[dict]:
    try:
        return [dict(row) for row in read_json(path, "run make table1 figure5 calibration")["rows"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged: run make evaluate-properties table1 again.") from error


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
