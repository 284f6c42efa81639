"""Beyond the paper: the share of samples that are stable, unique and new, as predicted and after relaxation.

The field's S.U.N. count for each way of sampling, with what is at most 0.1 eV/atom above the hull as stable, and how
much relaxation changes the cells of the samples.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from data_prep.errors import InputError
from data_prep.hull import FOLDER as HULL
from data_prep.splits import spread_evenly
from experiments.means import mean_and_median, share_of
from experiments.novelty import NAMES
from experiments.stored import of_generation
from experiments.stored_generation import Generation, valid_of
from experiments.tables import markdown, share_cell, shown, write_table
from repro.properties.stability import NEAR
from repro.relaxation.calculation_options import CalculationOptions
from repro.relaxation.calculation_store import CONVERGED
from repro.run import Run
from repro.scoring.score import Scoring, score_files
from repro.scoring.score_rows import passes, stable_unique_new

NOTE = (
    "Samples are every n-th of each way, those that could not be decoded among them. Valid, unique and new as in "
    "docs/scoring.md: all sites at least 0.5 Å apart and a composition that SMACT allows, unlike the samples before, "
    "and unlike all crystals of the source, those held out as well. Stable: at most "
    f"{NEAR} eV/atom above the hull of 2019's energies; after relaxation the potential's mean error on real crystals "
    "is taken off, and what did not converge is not stable. Changes on relaxation are absolute, of all that converged, "
    "known ones among them; that of the cell edge is the cube root of the volume's, as in a cell that stays cubic. "
    "Intervals are 95 % bootstraps over the samples."
)

Judge = Callable[[Sequence[Path], str], list[dict]]  # rows of ``score`` for the CIFs of a way of sampling


def from_run(run: Run, relaxation: CalculationOptions, count: int) -> dict:
    """Judge and relax ``count`` samples of each way of a run's generation; return what ``compute`` does.

    The scores lie under ``results/RUN/discovery``. A killed command goes on with what is missing. Raises InputError
    for a count that asks for nothing, and without a generation.
    """
    if count < 1:
        raise InputError(f"--count {count}: give a number of samples above 0.")
    if relaxation.dft:
        raise InputError("--dft is not for this command: how far pw.x lies from the hull's energies is not known.")
    calculator = relaxation.calculator()  # raises before hours of work
    scoring = Scoring(run.source, run.property_networks, HULL, relaxation)

    def judge(files: Sequence[Path], name: str) -> list[dict]:
        return score_files(files, scoring, run.results / "discovery" / name)[0].rows

    method = {"method": calculator.method.title}
    return of_generation("discovery", run, lambda generation: compute(generation, judge, count) | method)


def compute(generation: Generation, judge: Judge, count: int) -> dict:
    """Return by way of sampling how many of ``count`` samples, evenly chosen, are stable, unique and new."""
    groups = {}
    for name in NAMES:
        rows = getattr(generation, name)
        if rows:
            chosen = [rows[place] for place in spread_evenly(len(rows), count)]
            files = [generation.results / row["file"] for row in valid_of(chosen)]
            groups[name] = group(len(chosen), judge(files, name) if files else [])
    return {"groups": groups, "note": NOTE}


def group(samples: int, rows: Sequence[dict]) -> dict:
    """Return the shares of ``samples``, of which ``rows`` were judged, and the changes of the relaxed cells in %."""

    def of_samples(flags: Sequence[bool]) -> dict:
        return share_of([*flags, *[False] * (samples - len(rows))])

    predicted = [passes(row, "metastable") for row in rows]
    relaxed = [stable_unique_new(row) for row in rows]
    tried = [row["relaxation"].startswith(CONVERGED) for row in rows if row["relaxation"]]
    volumes = [row["volume_percent"] for row in rows if row["volume_percent"] is not None]
    return {
        "samples": samples,
        "valid": of_samples([passes(row, "valid") for row in rows]),
        "valid_unique_new": of_samples([passes(row, "new") for row in rows]),
        "stable_predicted": of_samples(predicted),
        "stable_relaxed": of_samples(relaxed),
        "confirmed": share_of([after for before, after in zip(predicted, relaxed, strict=True) if before]),
        "converged": share_of(tried),
        "volume_percent": mean_and_median(np.abs(volumes)),
        "edge_percent": mean_and_median(np.abs([edge_percent(volume) for volume in volumes])),
    }


def header(found: dict) -> list[str]:
    """Return the heads of the columns of ``facts``."""
    return ["generated crystals", *(NAMES[name] for name in found["groups"])]


def facts(found: dict) -> list[tuple[str, ...]]:
    """Return the numbers as rows: quantity, then each way of sampling."""
    groups = list(found["groups"].values())
    shares = {
        "valid": "valid",
        "valid, unique, new": "valid_unique_new",
        "valid, unique, new, stable as predicted": "stable_predicted",
        f"valid, unique, new, stable as {found['method']} relaxes them": "stable_relaxed",
        "of those stable as predicted, stable after relaxation": "confirmed",
        "relaxations that converged": "converged",
    }
    return [
        ("samples", *(f"{group['samples']:,}" for group in groups)),
        *((title, *(share_cell(group[name]) for group in groups)) for title, name in shares.items()),
        ("volume, median change on relaxation (%)", *(shown(group["volume_percent"]["median"]) for group in groups)),
        ("cell edge, median change on relaxation (%)", *(shown(group["edge_percent"]["median"]) for group in groups)),
    ]


def edge_percent(volume_percent: float) -> float:
    """Return the change of a cubic cell's edge in % that a change of its volume in % is."""
    return 100 * ((1 + volume_percent / 100) ** (1 / 3) - 1)


def text(found: dict) -> str:
    """Return the numbers as a table in Markdown, with their note."""
    return f"{markdown(header(found), facts(found))}\n\n{found['note']}"


def render(found: dict, path: Path) -> list[Path]:
    """Write ``path``.json and .md; ``path`` has no suffix."""
    return write_table(path, found, text(found))
