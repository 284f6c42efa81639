"""The spread of the formation-energy networks against their error: does the first predict the second?"""

from pathlib import Path

from matplotlib.figure import Figure

from experiments import style
from experiments.table1 import read_properties
from experiments.tables import write_data
from repro.run import Run


def from_run(run: Run) -> dict:
    """Return the calibration that the stage ``evaluate-properties`` measured."""
    return compute(read_properties(run.results))


def compute(measured: dict) -> dict:
    """Return the bins of ``properties.json``, none if formation energy has fewer than two networks: no spread."""
    return measured.get("calibration", {"bins": []})


def text(calibration: dict) -> str:
    """Return how many networks there are, or why nothing is drawn."""
    if not calibration["bins"]:
        return "Calibration: formation energy has fewer than two networks in this run: there is no spread to draw."
    return f"Calibration: {calibration['networks']} networks."


def render(calibration: dict, path: Path) -> list[Path]:
    """Write ``path``.json, .svg and .png: error of the mean against the spread, in bins of equal count.

    Nothing is written without bins.
    """
    if not calibration["bins"]:
        return []
    files = write_data(path, calibration)
    bins = calibration["bins"]
    spread = [part["spread"] for part in bins]
    with style.styled():
        figure = Figure(figsize=(style.WIDTH, 2.6))  # as wide as the others, so that it is shown at their scale
        figure.subplots_adjust(left=0.07, right=0.5, bottom=0.16, top=0.97)
        axes = figure.add_subplot()
        axes.plot(spread, [part["rmse"] for part in bins], "o-", color=style.OURS, label="root mean square error")
        axes.plot(spread, [part["mae"] for part in bins], "s--", color=style.ORANGE, label="mean absolute error")
        axes.plot([0, max(spread)], [0, max(spread)], color=style.BLACK, linewidth=0.6, label="error = spread")
        axes.set(xlabel=f"standard deviation of {calibration['networks']} networks (eV/atom)", ylabel="error (eV/atom)")
        axes.set(xlim=(0, None), ylim=(0, None))
        axes.legend(frameon=False)
        return [*files, *style.save(figure, path)]
