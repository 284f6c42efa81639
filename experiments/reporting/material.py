"""Everything that a run has left behind, read for the report; what is not there yet stays empty."""

import csv
from dataclasses import dataclass
from pathlib import Path

from data_prep.errors import InputError
from data_prep.files.json_files import read_json
from data_prep.property_labels import FORMATION_ENERGY
from experiments.reporting.intervals import with_intervals
from repro import stamps
from repro.properties.network_folder import network_names
from repro.run import PUBLISHED, Run
from repro.stages import STAGES

MEASURED = tuple(name for name in STAGES if name != "report")


@dataclass(frozen=True)
class Material:
    """What the sections are made from.

    ``stamps`` of the finished stages by name, in the order of the way; ``histories`` of the trainings,
    one dict of losses per epoch; ``evaluation`` summed up with intervals and ``measured`` per structure; ``generated``
    the counts and ``candidates`` the rows of the generation; ``properties`` the errors of the run's property
    networks; ``published`` Table 1 of those that come with the project, where the run ranks its candidates by them;
    ``ablations`` Table 5 of this run, or of such a run the one that comes with the project.
    Dicts and lists are empty where a stage has not been run.
    """

    run: Run
    stamps: dict[str, dict]
    histories: dict[str, list[dict[str, float]]]
    evaluation: dict
    measured: dict
    generated: dict
    candidates: list[dict[str, str]]
    properties: dict
    published: dict
    ablations: dict

    @property
    def ranking(self) -> dict:
        """Errors of the networks that the run ranks its candidates by: the published ones where it uses these."""
        return self.published or self.properties

    @property
    def folder(self) -> Path:
        """Where the report and its figures go."""
        return self.run.results


def gather(run: Run) -> Material:
    """Read stamps, histories and results of ``run``; raises InputError when one of the files is damaged."""
    found = {name: stamps.read(run.folder(name)) for name in MEASURED}
    first = {"train-cgcnn": network_names(FORMATION_ENERGY, run.preset.cgcnn.members)[0]}  # of its networks
    histories = {name: _history(run.folder(name) / first.get(name, "") / "history.csv") for name in MEASURED}
    measured = _json(run.results / "evaluation_structures.json")
    uses_published = run.preset.generate.networks == "published"
    return Material(
        run=run,
        stamps={name: stamp for name, stamp in found.items() if stamp},
        histories={name: history for name, history in histories.items() if history},
        evaluation=with_intervals(_json(run.results / "evaluation.json"), measured),
        measured=measured,
        generated=_json(run.results / "generate" / "summary.json"),
        candidates=_rows(run.results / "generate" / "candidates.csv"),
        properties=_json(run.results / "properties.json"),
        published=_json(PUBLISHED / "table1.json") if uses_published else {},
        ablations=_json(run.results / "table5.json") or (_json(PUBLISHED / "table5.json") if uses_published else {}),
    )


def stale(material: Material) -> list[str]:
    """Return a sentence for each finished stage whose input has since been made anew."""
    return [
        f"The result of {name} was made from an earlier result of {needed}: run {name} again."
        for name, stamp in material.stamps.items()
        for needed, identity in stamp["inputs"].items()
        if needed in material.stamps and material.stamps[needed]["identity"] != identity
    ]


def _json(path: Path) -> dict:
    return read_json(path, "run its stage") if path.exists() else {}


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except (ValueError, csv.Error) as error:  # a fault of UTF-8 is a ValueError
        raise InputError(f"{path} is damaged ({error}): remove it and run its stage again.") from error


def _history(path: Path) -> list[dict[str, float]]:
    rows = _rows(path)
    try:
        return [{name: float(value) for name, value in row.items()} for row in rows]
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}): remove its folder and train again.") from error
