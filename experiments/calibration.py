"""Does the spread of the formation-energy networks tell their error?

``python -m experiments.calibration --results DIR``.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from data_prep.files.atomic import write_json
from experiments import style
from experiments.command import stopping
from experiments.table1 import read_measured


def compute(measured: dict) -> dict:
    """Return the bins of ``properties.json``, none where formation energy has one network or none: no spread."""
    return measured.get("calibration", {"bins": []})


def render(calibration: dict, path: Path) -> None:
    """Write ``path``.json, .svg and .png: error of the mean against the spread, in bins of equal count."""
    write_json(path.with_name(path.name + ".json"), calibration)
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
        style.save(figure, path)


def main(arguments: list[str] | None = None) -> None:
    """Draw the calibration of one results folder."""
    parser = argparse.ArgumentParser(prog="python -m experiments.calibration", description="Calibration of one run.")
    parser.add_argument("--results", type=Path, required=True, help="folder with properties.json")
    options = parser.parse_args(arguments)
    with stopping(parser):
        found = compute(read_measured(options.results))
        if not found["bins"]:
            print("Calibration: formation energy has fewer than two networks in this run: there is no spread to draw.")
            return
        render(found, options.results / "calibration")
        print(f"Calibration: {found['networks']} networks; {options.results / 'calibration.svg'}")


if __name__ == "__main__":
    main()
