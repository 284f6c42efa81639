"""The drawing of Figure 6: five panels from the numbers of ``experiments.figure6``."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import style
from experiments.drawing import draw, formula_text, from_plain

_MEDIAN = {"color": style.BLACK, "linewidth": 1.0}
_LONGEST = 9  # characters of a structure type
_OUTLIER = {"marker": "o", "markersize": 2, "markeredgewidth": 0.4}


def draw_figure(figure: dict, path: Path) -> list[Path]:
    """Write ``path``.svg and .png and return them."""
    with style.styled():
        drawing = Figure(figsize=(style.WIDTH, 7.4))
        outer = drawing.add_gridspec(
            3, 2, left=0.075, right=0.99, bottom=0.06, top=0.97, hspace=0.42, wspace=0.2, height_ratios=(1, 1, 1.05)
        )
        examples = outer[0, 1].subgridspec(2, 3, wspace=0.05, hspace=0, height_ratios=(0.14, 1))
        panels = [drawing.add_subplot(outer[0, 0]), drawing.add_subplot(examples[:, :])]
        panels += [drawing.add_subplot(part) for part in (outer[1, 0], outer[1, 1], outer[2, :])]
        for axes, letter in zip(panels, "abcde", strict=True):
            axes.set_title(f"({letter})", loc="left", fontweight="bold")
        _draw_types(panels[0], figure["types"])
        _draw_examples(panels[1], [drawing.add_subplot(examples[1, place]) for place in range(3)], figure["examples"])
        _draw_energies(panels[2], figure["types"])
        _draw_elements(panels[3], figure["elements"])
        _draw_conditions(panels[4], figure["conditions"])
        return style.save(drawing, path)


def _colour(one: dict) -> str:
    return style.OURS if one["in_training"] else style.ORANGE


def _label(one: dict) -> str:
    name = one["type"]
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _draw_types(axes: Axes, types: list[dict]) -> None:
    bars = axes.bar(range(len(types)), [one["count"] for one in types], color=[_colour(one) for one in types])
    axes.set_xticks(range(len(types)), [_label(one) for one in types])
    axes.bar_label(bars, fontsize=6, padding=1)
    axes.bar(0, 0, color=style.OURS, label="in the training part")
    axes.bar(0, 0, color=style.ORANGE, label="not in it")
    axes.set_ylabel("valid crystals")
    axes.legend(frameon=False)
    _slant(axes)


def _draw_examples(frame: Axes, panels: list[Axes], examples: list[dict]) -> None:
    frame.set(xticks=[], yticks=[])
    frame.spines[:].set_visible(False)
    if not examples:
        frame.text(0.5, 0.5, "every type is in the training part", transform=frame.transAxes, ha="center")
    for axes in panels:
        axes.set_axis_off()
    for axes, example in zip(panels, examples, strict=False):
        draw(axes, from_plain(example["structure"]), f"{formula_text(example['formula'])}\n{_label(example)}")


def _draw_energies(axes: Axes, types: list[dict]) -> None:
    with_energies = [one for one in types if one["energies"]]
    if with_energies:
        boxes = axes.boxplot([one["energies"] for one in with_energies], widths=0.6, patch_artist=True,
                             medianprops=_MEDIAN, flierprops=_OUTLIER)  # fmt: skip
        for box, one in zip(boxes["boxes"], with_energies, strict=True):
            box.set(facecolor=_colour(one), alpha=0.6, linewidth=0.6)
    axes.set_xticks(range(1, len(with_energies) + 1), [_label(one) for one in with_energies])
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle="--")
    axes.set_ylabel("predicted $E_f$ (eV/atom)")
    _slant(axes)


def _draw_elements(axes: Axes, elements: list[dict]) -> None:
    names = [one["element"] for one in elements]
    axes.bar(names, [100 * one["share"] for one in elements], color=style.OURS, label="generated")
    axes.plot(names, [100 * one["training_share"] for one in elements], "o", color=style.BLACK, markersize=3,
              label="training part")  # fmt: skip
    axes.set_ylabel("crystals with it (%)")
    axes.legend(frameon=False)


def _draw_conditions(axes: Axes, conditions: dict) -> None:
    """Sample points beside each other at random but fixed places, means with intervals, the deciles as bands."""
    deciles = [one for one in conditions["deciles"] if one["energies"]]
    everything = [energy for one in deciles for energy in one["energies"]]
    edges = conditions["edges"]
    low, high = min([*everything, edges[0] - 0.5]), max([*everything, edges[-1] + 0.5])
    bounds = [low - 0.1, *edges, high + 0.1]
    for place, (bottom, top) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
        label = "decile asked for" if place == 0 else None
        axes.fill_between([place + 0.55, place + 1.45], bottom, top, color=style.YELLOW, alpha=0.5, linewidth=0,
                          label=label)  # fmt: skip
    rng = np.random.default_rng(0)
    for one in deciles:
        place = one["condition"] + 1
        spread = rng.uniform(-0.28, 0.28, len(one["energies"]))
        axes.scatter(place + spread, one["energies"], s=3, color=style.OURS, alpha=0.4, linewidths=0, rasterized=True)
        mean, interval = one["mean"]["mean"], one["mean"]["interval"]
        error = None if interval is None else [[mean - interval[0]], [interval[1] - mean]]
        axes.errorbar(place, mean, error, color=style.VERMILION, marker="D", markersize=3.5, capsize=2.5, linewidth=1,
                      label="mean, 95 %" if one is deciles[0] else None)  # fmt: skip
    rho = conditions["spearman"]["rho"]
    text = f"n = {len(everything):,}" + ("" if rho is None else f", Spearman's ρ = {rho:.2f}".replace("-", "−"))
    axes.text(0.99, 0.03, text, transform=axes.transAxes, ha="right")
    axes.set(xlabel="decile of the formation energy asked for", ylabel="predicted $E_f$ (eV/atom)")
    axes.set(xticks=range(1, len(bounds)), xlim=(0.4, len(bounds) - 0.4), ylim=(bounds[0], bounds[-1]))
    axes.legend(frameon=False, loc="upper left")


def _slant(axes: Axes) -> None:
    for label in axes.get_xticklabels():
        label.set(rotation=35, ha="right", rotation_mode="anchor")
