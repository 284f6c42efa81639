"""Figure 5: predicted against true properties of held-out crystals."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from data_prep.errors import InputError
from data_prep.files.npz import DamagedNpz, read_npz
from data_prep.property_labels import PROPERTIES
from experiments import style
from experiments.table1 import read_properties
from experiments.tables import write_data
from repro.run import Run

SHOWN = (0.2, 99.8)  # percentiles of both axes together; what lies beyond is drawn at the edge
CELLS = 45  # of the density grid along each axis
COLOURS = "viridis"  # for colour-blind readers, and in grey
FEW = 400  # crystals below which points are drawn instead of a density


def from_run(run: Run) -> dict[str, dict]:
    """Return the panels of what the stage ``evaluate-properties`` measured."""
    return compute(read_properties(run.results), run.results / "properties_test.npz")


def compute(measured: dict, predictions: Path) -> dict[str, dict]:
    """Return per property: true and predicted (n,) from ``properties_test.npz``, MAE with its 95 % interval and R^2.

    Raises InputError if the second file is missing or damaged.
    """
    try:
        arrays = read_npz(predictions)
        return {
            row["property"]: {key: row.get(key) for key in ("mae", "mae_interval", "r2")}
            | {kind: arrays[f"{row['property']}_{kind}"] for kind in ("true", "predicted")}
            for row in measured["rows"]
        }
    except FileNotFoundError:
        raise InputError(f"{predictions} is not there: run the stage 'evaluate-properties' first.") from None
    except (DamagedNpz, KeyError) as error:
        raise InputError(f"{predictions} is damaged ({error}): run 'evaluate-properties' again.") from None


def text(panels: dict[str, dict]) -> str:
    """Return the number of panels."""
    return f"Figure 5: {len(panels)} properties."


def render(panels: dict[str, dict], path: Path) -> list[Path]:
    """Write ``path``.svg, .png and .json (count, MAE, interval and R^2 of each panel); ``path`` has no suffix."""
    facts = {
        name: {
            "unit": PROPERTIES[name].trained_unit,
            "count": len(panel["true"]),
            "mae": panel["mae"],
            "mae_interval": panel.get("mae_interval"),
            "r2": panel["r2"],
        }
        for name, panel in panels.items()
    }
    files = write_data(path, facts)
    rows = -(-len(panels) // 4)
    with style.styled():
        figure = Figure(figsize=(style.WIDTH, 0.25 + 2.1 * rows))
        figure.subplots_adjust(
            left=0.065,
            right=0.99,
            bottom=0.36 / (0.25 + 2.1 * rows),
            top=1 - 0.42 / (0.25 + 2.1 * rows),
            wspace=0.38,
            hspace=0.65,
        )
        for place, (name, panel) in enumerate(panels.items(), start=1):
            axes = figure.add_subplot(rows, 4, place)
            draw_parity(axes, panel["true"], panel["predicted"])
            axes.set_title(f"{_title(name)}\n{caption(panel)}", fontsize=6.5)
            axes.set_xlabel("true")
            if place % 4 == 1:
                axes.set_ylabel("predicted")
        return [*files, *style.save(figure, path)]


def _title(name: str) -> str:
    unit = PROPERTIES[name].trained_unit
    return PROPERTIES[name].title + (f" ({unit})" if unit else "")


def caption(panel: dict) -> str:
    """Return a panel's MAE with its interval, its R^2 and its number of crystals."""
    r2 = "–" if panel["r2"] is None else f"{panel['r2']:.3f}"  # none if all true values are alike
    low, high = panel.get("mae_interval") or (None, None)
    interval = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
    return f"MAE {panel['mae']:.3f}{interval}\nR² {r2}, n = {len(panel['true']):,}"


def draw_parity(axes: Axes, true: np.ndarray, predicted: np.ndarray) -> None:
    """Draw predicted against true values (n,), as points if they are few, else as a density."""
    low, high = np.percentile(np.concatenate([true, predicted]), SHOWN)
    high = high if high > low else low + 1.0
    x, y = np.clip(true, low, high), np.clip(predicted, low, high)
    if len(x) < FEW:
        axes.scatter(x, y, s=5, color=style.OURS, alpha=0.5, linewidths=0)
    else:
        counts, edges, _ = np.histogram2d(x, y, bins=CELLS, range=((low, high), (low, high)))
        shown = np.ma.masked_equal(counts.T, 0)
        # a picture inside the SVG: two thousand rectangles would make it slow to open
        axes.pcolormesh(edges, edges, shown, norm=LogNorm(1, shown.max()), cmap=COLOURS, rasterized=True)
    axes.plot([low, high], [low, high], color=style.BLACK, linewidth=0.6, linestyle="--")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
