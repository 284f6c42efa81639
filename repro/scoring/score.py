"""python -m repro score: judges the structures of any model, one by one and all together."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pymatgen.core import Element

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.files.atomic import plain, write_csv, write_json, write_text
from data_prep.files.checksum import file_sha256
from data_prep.files.journal import Journal
from data_prep.hull.table import MANIFEST, load_hull
from data_prep.quarantine import print_rejected
from data_prep.sources.structure_files import named, read_structures
from repro.locks import making
from repro.network_folders import identity_of_predictions
from repro.properties.stability import EnergyJudge
from repro.relaxation.calculation_options import CalculationOptions
from repro.relaxation.relax_files import remove_earlier
from repro.scoring.judged_rows import judged_rows, mark_repeats
from repro.scoring.reference import KnownNumbers, Reference, read_reference
from repro.scoring.score_rows import RELAXED_FILE, finished, unread_row
from repro.scoring.score_summary import Metric, funnel, metrics, value_text

JOURNAL, TABLE, LINES, SUMMARY = ".journal.jsonl", "scores.csv", "scores.jsonl", "summary.json"
HEADER = {"scores": 1}  # the version of what the journal's rows hold
NO_STRUCTURE = ("unknown_format",)  # files beside the structures: named, but no metric counts them


@dataclass(frozen=True)
class Scoring:
    """What structures are judged by: the known crystals' source, folders of networks and hull, relaxation if any.

    What they name is read when it is first needed, once for all calls of ``score_files`` with the same object.
    """

    reference: str
    weights: Path
    hull: Path
    relaxation: CalculationOptions | None = None

    @cached_property
    def known_crystals(self) -> Reference:
        """The known crystals; raises InputError if the source does not exist or has none."""
        return read_reference(self.reference)

    @cached_property
    def judge(self) -> EnergyJudge:
        """The networks and the hull; raises InputError if one of them cannot be read."""
        return EnergyJudge.load(self.weights, load_hull(self.hull))


@dataclass(frozen=True)
class Scores:
    """All that was found: a row under ``score_rows.COLUMNS`` for each structure, and the metrics over all."""

    name: str
    reference: str
    rows: list[dict]
    metrics: list[Metric]
    funnel: dict[str, int]
    elements: dict[str, int]
    known: KnownNumbers
    relaxation_method: str | None = None


def score_files(paths: Sequence[Path], scoring: Scoring, out: Path | None = None) -> tuple[Scores, Path]:
    """Judge the structures of ``paths`` into ``out`` (default: scores-NAME); return the scores and that folder.

    What cannot be read is named on standard error and counted. A killed command goes on with what is missing.
    Raises InputError if no structure can be read, before anything is written.
    """
    calculator = scoring.relaxation.calculator() if scoring.relaxation else None  # raises before hours of work
    crystals, rejected = read_structures(paths)
    print_rejected(rejected)
    if not crystals:
        raise InputError(f"{named(paths)}: no structure can be read; see above.")
    unread = [item for item in rejected if item.reason not in NO_STRUCTURE]
    reference, judge = scoring.known_crystals, scoring.judge  # raise before anything is written
    out = out or Path(f"scores-{Path(paths[0]).resolve().name.split('.')[0]}")
    with making(out):
        rows = _rows(crystals, reference, judge, scoring, out)
        if calculator:
            from repro.scoring.relaxed_scores import relax_rows

            relax_rows(rows, crystals, calculator, out)
        rows = finished([*rows, *map(unread_row, unread)])
        scores = Scores(
            named(paths),
            reference.name,
            rows,
            metrics(rows, reference.numbers, calculator is not None),
            funnel(rows),
            element_counts(crystals),
            reference.numbers,
            calculator.method.title if calculator else None,
        )
        _write(scores, scoring, out)
    for metric in scores.metrics:
        print(f"{metric.name:28s} {value_text(metric)}, n = {metric.count:,}")
    print("; ".join(f"{name} {count:,}" for name, count in scores.funnel.items()))
    return scores, out


def _rows(
    crystals: Sequence[Crystal], reference: Reference, judge: EnergyJudge, scoring: Scoring, out: Path
) -> list[dict]:
    journal = Journal(out / JOURNAL, HEADER)
    judged_by = (reference.identity, identity_of_predictions(scoring.weights), file_sha256(scoring.hull / MANIFEST))
    rows = judged_rows(crystals, reference, judge, journal, " ".join(judged_by))
    mark_repeats(rows, crystals, journal)
    return rows


def element_counts(crystals: Sequence[Crystal]) -> dict[str, int]:
    """Return the number of crystals that have each element, by symbol."""
    return Counter(Element.from_Z(int(z)).symbol for crystal in crystals for z in np.unique(crystal.numbers))


def _write(scores: Scores, scoring: Scoring, out: Path) -> None:
    remove_earlier(out / TABLE, RELAXED_FILE, {row[RELAXED_FILE] for row in scores.rows})
    write_csv(out / TABLE, scores.rows, digits=5)  # as candidates.csv, with which it is joined
    write_text(out / LINES, "".join(json.dumps(plain(row)) + "\n" for row in scores.rows))
    failed = Counter(row["failed_at"] for row in scores.rows if row["failed_at"])
    summary = {
        "structures": scores.name,
        "reference": scores.reference,
        "property_networks": scoring.weights.name,
        "relaxation_method": scores.relaxation_method,
        "funnel": scores.funnel,
        "failed_at": dict(failed),
        "metrics": [metric.plain() for metric in scores.metrics],
    }
    write_json(out / SUMMARY, summary)
