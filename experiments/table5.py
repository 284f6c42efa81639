"""Table 5: the three ablations, trained side by side.

Each ablation and seed is a run of its own, ``RUN-table5-dfc-sigma_r-seed_0``, through the stages of ``python -m
repro``; what is equal between them is made once (``ablation_runs``).
"""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

from data_prep.errors import InputError
from experiments.ablation_runs import ABLATIONS, measure
from experiments.means import over_seeds
from experiments.paper import TABLE5, TEXT
from experiments.tables import markdown, mean_cell, spread_cell, write_table
from repro.evaluation.results import OURS, PAPERS_WAY, Evaluation
from repro.run import Run

METRICS = {  # fields of ``paper.Ablation``: as printed, digits shown
    "mse": ("VAE MSE", 4),
    "recall": ("UNet non-zero recall (%)", 1),
    "emd": ("mean EMD (Å)", 3),
    "delta_n": ("mean ΔN (sites)", 3),
}
NOTE = (
    "Ours: mean over the seeds, ± the sample standard deviation if there are several, else in brackets the 95 % "
    "bootstrap interval over the structures; a seed changes the split, the starting weights and the order of samples. "
    "Recall: occupied voxels whose most probable element is the true one, on the true maps; after the slash those "
    "whose true element has a probability above 0.5, as the release counts. EMD and ΔN (without sign): reconstructed "
    "maps, species by the UNet's arg-max (the paper's way), means over the structures that could be decoded. The rows "
    "with σ = 1 share their UNet, so that they have one recall; maps with σ = r are other maps, so that their MSE is "
    "not of the same quantity. The paper's text has other numbers than its table: an MSE of "
    f"{TEXT['mse_without_dfc'].value:g} without DFC, an EMD of {TEXT['emd_without_dfc'].value:g} Å without and "
    f"{TEXT['emd_with_dfc'].value:g} Å with it; the table is followed."
)


def from_run(run: Run, seeds: int = 1) -> dict:
    """Train and measure what is not there yet and return Table 5; raises InputError for fewer than one seed."""
    if seeds < 1:
        raise InputError(f"--seeds {seeds} trains nothing: give 1 or more.")
    return compute(measure(run, seeds), run.preset.name, run.source_name)


def compute(measured: dict[str, dict[int, dict]], preset: str, source: str) -> dict:
    """Return Table 5 from ``evaluation.json`` of each ablation and seed: a row per ablation, the paper's beside it.

    Each metric of a row has ``mean``, ``spread`` (sample standard deviation, None for one seed), ``interval`` (95 %,
    over the structures of a single seed) and its ``values``, one per seed, None where nothing could be decoded;
    ``orderings`` says of each whether the paper's ordering holds.
    """
    rows = []
    for printed, (name, ablation) in zip(TABLE5, ABLATIONS.items(), strict=True):
        seeds = sorted(measured[name])
        each = [values_of(measured[name][seed]) for seed in seeds]
        metrics = {metric: _over_seeds(each, metric) for metric in (*METRICS, "recall_half")}
        counts = {key: [values[key] for values in each] for key in ("structures", "decoded")}
        rows.append(
            {"ablation": name, "system": ablation.system, "seeds": seeds}
            | metrics
            | counts
            | {"paper": asdict(printed)}
        )
    orderings = {metric: ordering(rows, metric) for metric in METRICS}
    text = {name: TEXT[name].value for name in ("mse_without_dfc", "emd_without_dfc", "emd_with_dfc")}
    facts = {"preset": preset, "source": source, "paper_text": text, "note": NOTE}
    return {"rows": rows, "orderings": orderings} | facts


def values_of(evaluation: dict) -> dict:
    """Return the numbers of Table 5 from one ``evaluation.json``: recall in %, EMD in Å, counts of structures."""
    found = Evaluation(evaluation)
    vae, unet, sites = found.vae(OURS), found.unet, found.sites(OURS, PAPERS_WAY)
    return {
        "mse": vae["mse"],
        "recall": 100 * unet["nonzero_recall_argmax"],
        "recall_half": 100 * unet["nonzero_recall"],
        "emd": sites.get("emd"),
        "delta_n": sites.get("delta_n"),
        "intervals": {
            "mse": vae.get("mse_interval"),
            "emd": sites.get("emd_interval"),
            "delta_n": sites.get("delta_n_interval"),
        },
        "structures": sites["count"],
        "decoded": sites["decoded"],
    }


def _over_seeds(each: Sequence[dict], metric: str) -> dict:
    interval = each[0]["intervals"].get(metric) if len(each) == 1 else None
    return over_seeds([one[metric] for one in each]) | {"interval": interval}


def ordering(rows: Sequence[dict], metric: str) -> dict:
    """Return whether our means differ as the paper's do, wherever two of its rows differ.

    ``pairs`` has each such two rows with ``holds`` of the means and ``seeds_holding`` of ``seeds``, row by row with
    the same seed; None and 0 where nothing was measured. ``holds`` is true when all pairs hold, None when one is not
    known.
    """
    pairs = []
    for first, second in combinations(rows, 2):
        printed = first["paper"][metric] - second["paper"][metric]
        if not printed:
            continue
        each = [_agree(a, b, printed) for a, b in zip(first[metric]["values"], second[metric]["values"], strict=True)]
        pairs.append(
            {
                "smaller": (first if printed < 0 else second)["system"],
                "larger": (second if printed < 0 else first)["system"],
                "holds": _agree(first[metric]["mean"], second[metric]["mean"], printed),
                "seeds_holding": sum(held is True for held in each),
                "seeds": sum(held is not None for held in each),
            }
        )
    held = [pair["holds"] for pair in pairs]
    return {"holds": None if None in held else all(held), "pairs": pairs}


def _agree(first: float | None, second: float | None, printed: float) -> bool | None:
    if first is None or second is None:
        return None
    return (first - second) * printed > 0


def trained_on(table: dict) -> str:
    """Return with which preset and on which crystals the ablations were trained."""
    return f"preset {table['preset']} on {table['source']}"


def statements(table: dict) -> list[str]:
    """Return a sentence for each metric: whether the paper's ordering holds, and if not, where it fails."""
    sentences = []
    for metric, found in table["orderings"].items():
        verdict = {True: "holds", False: "does not hold", None: "is not known: nothing could be decoded"}
        parts = [
            f"{pair['smaller']} < {pair['larger']}: {_VERDICTS[pair['holds']]} "
            f"({pair['seeds_holding']} of {pair['seeds']} seeds)"
            for pair in found["pairs"]
        ]
        sentences.append(f"{METRICS[metric][0]}: the paper's ordering {verdict[found['holds']]}. {'; '.join(parts)}.")
    return sentences


_VERDICTS = {True: "yes", False: "no", None: "not measured"}
HEADER = (
    "system", "seeds", "structures decoded",
    *(text for name, _ in METRICS.values() for text in (f"{name}, paper", "ours")),
)  # fmt: skip


def cells(table: dict) -> list[tuple[str, ...]]:
    """Return the rows of the table as text, under ``HEADER``."""
    rows = []
    for row in table["rows"]:
        decoded = f"{sum(row['decoded']):,} of {sum(row['structures']):,}"
        numbers = []
        for metric, (_, digits) in METRICS.items():
            ours = _shown(row[metric], digits)
            if metric == "recall":
                ours += f" / {_shown(row['recall_half'], digits)}"
            numbers += [f"{row['paper'][metric]:g}", ours]
        rows.append((row["system"], f"{len(row['seeds'])}", decoded, *numbers))
    return rows


def _shown(found: dict, digits: int) -> str:
    if found.get("interval") and None not in found["interval"]:
        return mean_cell(found, digits)
    return spread_cell(found, digits)


def render(table: dict, path: Path) -> list[Path]:
    """Write ``path``.json, .csv (a line for each ablation and seed) and .md; ``path`` has no suffix."""
    lines = [
        {"ablation": row["ablation"], "seed": seed}
        | {metric: row[metric]["values"][place] for metric in (*METRICS, "recall_half")}
        | {"decoded": row["decoded"][place], "structures": row["structures"][place]}
        | {f"paper_{metric}": row["paper"][metric] for metric in METRICS}
        for row in table["rows"]
        for place, seed in enumerate(row["seeds"])
    ]
    return write_table(path, table, text(table), lines)


def text(table: dict) -> str:
    """Return the table as Markdown with its statements and note."""
    parts = [f"Trained: {trained_on(table)}.", markdown(HEADER, cells(table)), *statements(table), table["note"]]
    return "\n\n".join(parts)
