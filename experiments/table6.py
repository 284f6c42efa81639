"""Table 6: the hyperparameters in the code beside the paper's."""

from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.paper import TABLE6
from experiments.tables import markdown, write_table
from models.table6 import CGCNNParameters, UNetParameters, VAEParameters
from repro.run import Run

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


def from_run(_: Run) -> list[Row]:
    """Return Table 6, which is the same for every run."""
    return compute()


def compute() -> list[Row]:
    """Return the rows of Table 6, ours read from the defaults of the networks' parameters."""
    rows = []
    for parameter, printed in TABLE6.items():
        owner, field = FIELDS[parameter]
        ours = getattr(owner(), field)
        rows.append(Row(parameter, printed, ours, ours == printed, f"{owner.__name__}.{field}"))
    return rows


def render(rows: list[Row], path: Path) -> list[Path]:
    """Write ``path``.json, .csv and .md; ``path`` has no suffix."""
    plain = [asdict(row) for row in rows]
    cells = [(row.parameter, f"{row.paper:g}", f"{row.ours:g}", "yes" if row.equal else "no") for row in rows]
    return write_table(path, plain, markdown(("parameter", "paper", "ours", "equal"), cells), plain)


def text(rows: list[Row]) -> str:
    """Return in a sentence how many of the hyperparameters are the paper's."""
    return f"Table 6: {sum(row.equal for row in rows)} of {len(rows)} as in the paper."
