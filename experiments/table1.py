"""Table 1: the property networks on held-out crystals."""

from pathlib import Path

from data_prep.errors import InputError
from data_prep.files.json_files import read_json
from data_prep.property_labels import PROPERTIES
from experiments.paper import TABLE1
from experiments.tables import markdown, write_table
from repro.run import Run

NOTE = (
    "MAE in the unit given, logarithms natural; ours is that of the first network, mean of several that of the mean of "
    "so many networks, trained with other seeds. SMAPE = 100 mean(2 |p - t| / (|p| + |t|)) of the same values. "
    "Guess: every crystal gets the mean of the training labels. Released: the authors' weights on the same test "
    "crystals, most of which they were trained on, alone and in batches of 256, missing neighbours as in their program."
)
SUMMARY = "properties.json"  # what the stage leaves in results/RUN
HEADER = (
    "property", "unit", "MAE, paper", "MAE, ours", "95 %", "mean of several", "SMAPE %, paper", "SMAPE %, ours",
    "guess", "released, alone", "released, 256", "train", "test", "train, paper", "test, paper",
)  # fmt: skip
_PAPER = {row.property: row for row in TABLE1}


def from_run(run: Run) -> dict:
    """Return Table 1 of what the stage ``evaluate-properties`` measured."""
    return compute(read_properties(run.results))


def read_properties(results: Path) -> dict:
    """Read ``properties.json`` of a results folder; raises InputError if it is missing or damaged."""
    path, remedy = results / SUMMARY, "run the stage 'evaluate-properties'"
    measured = read_json(path, remedy)
    if not (isinstance(measured, dict) and measured.get("rows")):
        raise InputError(f"{path} is damaged (it has no rows): remove it and {remedy} again.")
    return measured


def compute(measured: dict) -> dict:
    """Return Table 1 from ``properties.json``: one row per property with a network, the paper's beside it.

    ``rows`` follow the paper's order; ``missing`` names the properties that the source has no labels for.
    """
    rows = []
    for row in measured["rows"]:
        printed = _PAPER[PROPERTIES[row["property"]].title]
        released = measured["released"].get(row["property"], {})
        others = {
            "released_alone_mae": released.get("alone_filled_mae"),
            "released_batch_mae": released.get("batch_filled_mae"),
            "released_alone_masked_mae": released.get("alone_masked_mae"),
            "released_batch_masked_mae": released.get("batch_masked_mae"),
            "paper_mae": printed.mae,
            "paper_smape": printed.smape,
            "paper_train": printed.train,
            "paper_test": printed.test,
        }
        rows.append(row | others)
    present = {row["property"] for row in rows}
    facts = {name: measured[name] for name in ("source", "preset", "split_seed", "split_by", "versions", "data")}
    return {"rows": rows, "missing": [name for name in PROPERTIES if name not in present], "note": NOTE} | facts


def render(table: dict, path: Path) -> list[Path]:
    """Write ``path``.json, .csv and .md; ``path`` has no suffix."""
    return write_table(path, table, text(table), table["rows"])


def text(table: dict) -> str:
    """Return the table as Markdown with its notes."""
    parts = [markdown(HEADER, [cells(row) for row in table["rows"]]), NOTE]
    return "\n\n".join([*parts, untrained(table)] if table["missing"] else parts)


def untrained(table: dict) -> str:
    """Return a sentence that names the properties without labels."""
    names = ", ".join(PROPERTIES[name].title for name in table["missing"])
    return f"Not trained, for want of labels in this source: {names}."


def cells(row: dict) -> tuple[str, ...]:
    """Return a row of the table as text, under ``HEADER``."""
    low, high = (number if number is not None else float("nan") for number in row["mae_interval"])
    released = (_short(row[f"released_{how}_mae"]) for how in ("alone", "batch"))
    sizes = (f"{row[name]:,}" for name in ("n_train", "n_test", "paper_train", "paper_test"))
    return (
        PROPERTIES[row["property"]].title, row["unit"] or "–", f"{row['paper_mae']:.3f}", _short(row["mae"]),
        f"{low:.3f}–{high:.3f}", _of_several(row), f"{row['paper_smape']:.2f}", f"{row['smape']:.2f}",
        _short(row["baseline_mae"]), *released, *sizes,
    )  # fmt: skip


def _of_several(row: dict) -> str:
    return f"{_short(row['mean_of_networks_mae'])} ({row['networks']})" if "networks" in row else "–"


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}" if abs(value) < 0.1 else f"{value:.3f}"
