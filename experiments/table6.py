"""Table 6: the hyperparameters in the code beside the paper's. ``python -m experiments.table6 --out results/RUN``."""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

from data_prep.files.atomic import write_csv, write_json, write_text
from experiments.command import stopping
from experiments.paper import TABLE6
from experiments.tables import markdown
from models.table6 import CGCNNParameters, UNetParameters, VAEParameters

FIELDS = {
    "α": (VAEParameters, "alpha"),
    "β": (VAEParameters, "beta"),
    "VAE learning rate": (VAEParameters, "learning_rate"),
    "VAE batch size": (VAEParameters, "batch_size"),
    "UNet learning rate": (UNetParameters, "learning_rate"),
    "UNet batch size": (UNetParameters, "batch_size"),
    "CGCNN learning rate": (CGCNNParameters, "learning_rate"),
    "CGCNN batch size": (CGCNNParameters, "batch_size"),
}


@dataclass(frozen=True)
class Row:
    """One hyperparameter: as printed in Table 6, and as the code has it under ``field``."""

    parameter: str
    paper: float
    ours: float
    equal: bool
    field: str


def compute() -> list[Row]:
    """Return the rows of Table 6, ours read from the defaults of ``models.table6``."""
    rows = []
    for parameter, printed in TABLE6.items():
        owner, field = FIELDS[parameter]
        ours = getattr(owner(), field)
        rows.append(Row(parameter, printed, ours, ours == printed, f"{owner.__name__}.{field}"))
    return rows


def render(rows: list[Row], folder: Path) -> None:
    """Write ``table6.json``, ``table6.csv`` and ``table6.md`` into ``folder``."""
    write_json(folder / "table6.json", [asdict(row) for row in rows])
    write_csv(folder / "table6.csv", [asdict(row) for row in rows])
    cells = [(row.parameter, f"{row.paper:g}", f"{row.ours:g}", "yes" if row.equal else "no") for row in rows]
    write_text(folder / "table6.md", markdown(("parameter", "paper", "ours", "equal"), cells) + "\n")


def main(arguments: list[str] | None = None) -> None:
    """Write Table 6 and say where."""
    parser = argparse.ArgumentParser(prog="python -m experiments.table6", description="Table 6: paper and code.")
    parser.add_argument("--out", type=Path, required=True, help="folder for table6.json, .csv and .md")
    options = parser.parse_args(arguments)
    with stopping(parser):
        rows = compute()
        render(rows, options.out)
        print(f"Table 6: {sum(row.equal for row in rows)} of {len(rows)} as in the paper; {options.out / 'table6.md'}")


if __name__ == "__main__":
    main()
