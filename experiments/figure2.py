"""Figure 2: the latent dimensions, lines between pairs of crystals, and the A-site from CeCrO3 to YbCrO3."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from pymatgen.core import Element

from experiments import interpolation, latent_space, style
from experiments.interpolation import End, Networks
from experiments.paper import TEXT
from experiments.stored import Stored, of_networks
from models.decoding import Way
from models.decoding.atoms import Undecodable
from repro.evaluation.results import PAPERS_WAY
from repro.run import Run

NETWORKS = ("generator",)
POINTS = np.linspace(-4.0, 4.0, 161)  # of z, where the densities are drawn
BETWEEN = 8  # maps along each line of (b), the two ends included
WAYS: dict[Way, str] = {
    PAPERS_WAY: "UNet's arg-max (the paper's way)",
    "fit": "fit of the map",
    "composition": "fit with the composition of the latent",
}
CAPTION = (
    "(a) Gaussian kernel density of each latent dimension over the encoded training crystals, z sampled, and the mean "
    "divergence of each from N(0, 1), ranked. (b) Middle slices (the plane z = c/2) of decoded density along straight "
    "lines between sampled z of two training crystals, one line for each decile of formation energy, with the true "
    "slices at both ends; each row has one scale, from 0 to the largest value of its true slices. (c) Element within "
    "0.5 Å of the A-site along a line under the condition of its first end."
)
_LOOKS = {
    PAPERS_WAY: {"color": style.BLUE, "marker": "o"},
    "fit": {"color": style.VERMILION, "marker": "x"},
    "composition": {"color": style.GREEN, "marker": "+"},
}


def from_run(run: Run) -> Stored:
    """Return Figure 2 of a run's networks, computed if they are new and stored as ``figure2.json`` and .npz."""
    return of_networks("figure2", run, NETWORKS, compute)


def compute(run: Run) -> Stored:
    """Return the numbers and maps of all three parts; encodes, decodes and segments with the run's networks.

    ``facts`` holds ``latent``, ``pairs`` and ``path`` (None if no two crystals fit); ``arrays`` the densities,
    the middle slices in electrons/Å^3 and the elements along the path.
    """
    crystals = latent_space.encoded(run)
    mean, log_var = crystals.arrays["mean"], crystals.arrays["log_var"]
    z = latent_space.sampled(mean, log_var, run.preset.seed)
    arrays = {"points": POINTS, "densities": latent_space.densities(z, POINTS)}
    networks = interpolation.load_networks(run)
    pairs = interpolation.pairs_by_condition(networks.dataset, run.preset.seed)
    arrays |= interpolation.slices_between(networks, pairs, BETWEEN, run.preset.seed)
    facts = {
        "latent": latent_space.moments(mean, log_var, z),
        "pairs": [_pair(networks, *pair) for pair in pairs],
        "path": None,
    }
    ends = interpolation.nearest_ends(networks.dataset)
    if ends:
        steps = run.preset.evaluate.path_points or int(TEXT["interpolation_samples"].value)
        ways = (PAPERS_WAY, "fit" if run.preset.generate.way == PAPERS_WAY else run.preset.generate.way)
        facts["path"], elements = _path(networks, ends, ways, steps, run.preset.seed)
        arrays |= elements
    return Stored(facts, arrays)


def _pair(networks: Networks, condition: int, *indices: int) -> dict:
    edges = [None, *networks.dataset.edges.tolist(), None]
    crystals = [networks.dataset.crystals[index] for index in indices]
    return {
        "condition": condition,
        "range": [edges[condition], edges[condition + 1]],
        "formulas": [crystal.formula for crystal in crystals],
        "ids": [crystal.id for crystal in crystals],
        "families": [crystal.family for crystal in crystals],
    }


def _path(
    networks: Networks, ends: tuple[End, End], ways: Sequence[Way], steps: int, seed: int
) -> tuple[dict, dict[str, np.ndarray]]:
    """Return what is met on the A-site along the line, and ``path_WAY`` (steps,) atomic numbers, 0 for none."""
    dataset = networks.dataset
    condition = int(dataset.bins[ends[0].index])
    outcomes = interpolation.outcomes_between(networks, ends, ways, condition, steps, seed)
    known = {crystal.formula for crystal in dataset.crystals}
    trained = {crystal.formula for crystal in dataset.train}
    found_by, arrays = {}, {}
    for way, found in outcomes.items():
        elements = np.array([interpolation.element_at(ends[0].place, outcome) for outcome in found])
        whole = np.array([interpolation.is_member(ends[0], outcome) for outcome in found])
        found_by[way] = {
            "decoded": sum(not isinstance(outcome, Undecodable) for outcome in found),
            "failures": dict(Counter(outcome.reason for outcome in found if isinstance(outcome, Undecodable))),
            "on_site": int((elements > 0).sum()),
            "whole": int(whole.sum()),
            "members": interpolation.members(elements, whole, ends[0], known, trained),
        }
        arrays |= {f"path_{way}": elements, f"whole_{way}": whole}
    return {
        "ends": [_end(networks, end) for end in ends],
        "papers_ends": [dataset.crystals[end.index].formula for end in ends] == list(interpolation.ENDS),
        "condition": condition,
        "steps": steps,
        "ways": found_by,
    }, arrays


def _end(networks: Networks, end: End) -> dict:
    crystal, dataset = networks.dataset.crystals[end.index], networks.dataset
    place = {"part": str(dataset.parts[end.index]), "condition": int(dataset.bins[end.index])}
    return {"formula": crystal.formula, "id": crystal.id, "a": end.a, "b": end.b, "x": end.x} | place


def summary(facts: dict) -> str:
    """Return the numbers of all three parts in sentences, beside the paper's."""
    found, paper = facts["latent"], facts["latent"]["paper"]
    text = (
        f"{found['dimensions']} latent dimensions of {found['crystals']:,} encoded training crystals: average mean "
        f"{found['sampled']['mean']:.2f} and variance {found['sampled']['variance']:.2f} of the sampled z (paper: "
        f"{paper['mean']:g} and {paper['variance']:g}); {found['centre']['mean']:.2f} and "
        f"{found['centre']['variance']:.2f} of the encoder's means. {found['inactive']} dimensions are inactive: a "
        f"mean divergence below {found['inactive_below']:g} nats, of {found['divergence']:.0f} in all."
    )
    return f"{text} {path_summary(facts['path'])}"


def path_summary(path: dict | None) -> str:
    """Return in sentences what stands on the A-site along the path, and what of it is not in the training set."""
    if path is None:
        return "No two ABX3 crystals of these data share B and X with A on the same place: there is no path to follow."
    names = " to ".join(
        end["formula"] + ("" if end["part"] == "train" else f" ({end['part']} part)") for end in path["ends"]
    )
    why = "" if path["papers_ends"] else f" (the nearest to {' and '.join(interpolation.ENDS)} in these data)"
    text = f"From {names}{why}, {path['steps']:,} points."
    for way, found in path["ways"].items():
        new = [member["formula"] for member in found["members"] if not member["in_training"] and member["whole"]]
        text += (
            f" {WAYS[way]}: {found['on_site']:,} points with an A-site, {len(found['members'])} elements; B and X "
            f"right as well in {found['whole']:,}, of these not in the training set: {', '.join(new) or 'none'}."
        )
    return text


def header(found: Stored) -> tuple[str, ...]:
    """Return the heads of the columns of ``cells``."""
    ways = found.facts["path"]["ways"] if found.facts["path"] else WAYS
    counted = [text for way in ways for text in (f"points, {way}", "B and X right")]
    return ("compound", "Z of A", *counted, "in the training set")


def cells(found: Stored) -> list[tuple[str, ...]]:
    """Return a row for each element met on the A-site, under ``header``."""
    path = found.facts["path"] or {"ways": {}}
    ways = [{member["number"]: member for member in one["members"]} for one in path["ways"].values()]
    rows = []
    for number in sorted(set().union(*ways)):
        each = [members.get(number) for members in ways]
        counts = [f"{member[key]:,}" if member else "0" for member in each for key in ("points", "whole")]
        known = next(member for member in each if member)
        rows.append((known["formula"], str(number), *counts, "yes" if known["in_training"] else "no"))
    return rows


def text(found: Stored) -> str:
    """Return the numbers of the figure in sentences."""
    return summary(found.facts)


def render(found: Stored, path: Path) -> list[Path]:
    """Draw all three parts into ``path``.svg and .png; ``path`` has no suffix."""
    rows = len(found.facts["pairs"])
    heights = [1.9, 0.35 + 0.56 * max(rows, 1), 2.2]
    with style.styled():
        figure = Figure(figsize=(style.WIDTH, sum(heights)))
        above, middle, below = figure.subfigures(3, 1, height_ratios=heights)
        _draw_dimensions(above, found)
        _draw_pairs(middle, found, heights[1])
        _draw_path(below, found)
        for part, letter, height in zip((above, middle, below), "abc", heights, strict=True):
            part.text(0.005, 1 - 0.03 / height, f"({letter})", fontweight="bold", va="top")
        return style.save(figure, path)


def _draw_dimensions(part: SubFigure, found: Stored) -> None:
    """Draw (a): the density of each dimension beside N(0, 1), and the divergence of each."""
    part.subplots_adjust(left=0.08, right=0.99, bottom=0.21, top=0.92, wspace=0.22)
    left, right = part.subplots(1, 2)
    facts, points = found.facts["latent"], found.arrays["points"]
    divergence = np.array(facts["divergence_of_dimension"], dtype=float)
    inactive = divergence < facts["inactive_below"]
    for which, colour, name in ((inactive, style.ORANGE, "inactive"), (~inactive, style.BLUE, "active")):
        lines = left.plot(points, found.arrays["densities"][which].T, color=colour, linewidth=0.4, alpha=0.35)
        if lines:
            left.plot([], [], color=colour, label=f"{which.sum()} {name} dimensions")
    normal = np.exp(-(points**2) / 2) / np.sqrt(2 * np.pi)
    left.plot(points, normal, color=style.BLACK, linestyle="--", linewidth=1, label="N(0, 1)")
    left.set(xlabel=f"z, sampled, n = {facts['crystals']:,} crystals", ylabel="density", xlim=(-4, 4), ylim=(0, None))
    left.set_ylim(0, 1.35 * left.get_ylim()[1])
    left.legend(frameon=False, loc="upper left", handlelength=1.2)
    moments = f"mean {facts['sampled']['mean']:.2f} (paper {facts['paper']['mean']:g})\nvariance "
    moments += f"{facts['sampled']['variance']:.2f} (paper {facts['paper']['variance']:g})"
    left.text(0.99, 0.97, moments, transform=left.transAxes, ha="right", va="top", fontsize=7)
    right.plot(np.arange(1, len(divergence) + 1), np.sort(divergence)[::-1], color=style.BLUE)
    right.axhline(facts["inactive_below"], color=style.ORANGE, linestyle="--", linewidth=0.8)
    right.set_yscale("log")
    right.set(xlabel="dimensions, ranked", ylabel="mean divergence (nats)", xlim=(1, max(len(divergence), 2)))


def _draw_pairs(part: SubFigure, found: Stored, height: float) -> None:
    """Draw (b): one row per condition, true slices at both ends, decoded ones between them."""
    pairs = found.facts["pairs"]
    if not pairs:
        part.text(0.5, 0.5, "no condition has two formulas", ha="center")
        return
    part.subplots_adjust(left=0.14, right=0.89, bottom=0.01, top=1 - 0.33 / height, wspace=0.04, hspace=0.06)
    grid = part.subplots(len(pairs), BETWEEN + 2, squeeze=False)
    for row, pair, true, decoded in zip(grid, pairs, found.arrays["true"], found.arrays["decoded"], strict=True):
        top = float(true.max()) or 1.0
        for axes, image in zip(row, [true[0], *decoded, true[1]], strict=True):
            axes.imshow(image.T, origin="lower", cmap="cividis", vmin=0, vmax=top, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        first, last = pair["formulas"]
        label = f"{first}\n{_range(*pair['range'])}"
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=4, fontsize=6.5)
        row[-1].yaxis.set_label_position("right")
        row[-1].set_ylabel(last, rotation=0, ha="left", va="center", labelpad=4, fontsize=6.5)
    grid[0, 0].set_title("true", fontsize=7)
    grid[0, -1].set_title("true", fontsize=7)
    grid[0, (BETWEEN + 2) // 2].set_title("decoded along the line; left: formation energy in eV/atom", fontsize=7)


def _range(low: float | None, high: float | None) -> str:
    """Return a decile of formation energy (eV/atom) in words; the first and the last are open."""
    if low is None or high is None:
        return f"below {high:.2f}" if low is None else f"above {low:.2f}"
    return f"{low:.2f} to {high:.2f}"


def _draw_path(part: SubFigure, found: Stored) -> None:
    """Draw (c): the element on the A-site along the line."""
    part.subplots_adjust(left=0.08, right=0.99, bottom=0.19, top=0.86)
    axes: Axes = part.subplots()
    path = found.facts["path"]
    if path is None:
        axes.text(0.5, 0.5, "no two ABX3 crystals share B and X", transform=axes.transAxes, ha="center")
        axes.set(xticks=[], yticks=[])
        return
    first, last = path["ends"]
    t = np.linspace(0, 1, path["steps"])
    for way in path["ways"]:
        elements = found.arrays[f"path_{way}"]
        met, look = elements > 0, _LOOKS[way]
        label = f"{WAYS[way]}: {met.sum():,} of {path['steps']:,} points"
        axes.scatter(t[met], elements[met], s=8, linewidths=0.7, alpha=0.6, label=label, **look)
    axes.plot([0, 1], [first["a"], last["a"]], color=style.BLACK, linewidth=0.6, linestyle="--", label="straight line")
    shown = sorted({first["a"], last["a"], *(m["number"] for w in path["ways"].values() for m in w["members"])})
    ticks = [number for place, number in enumerate(shown) if place % (1 + len(shown) // 16) == 0]
    axes.set_yticks(ticks, [f"{Element.from_Z(number).symbol} {number}" for number in ticks])
    axes.set(xlim=(-0.01, 1.01), xlabel=f"from {first['formula']} (0) to {last['formula']} (1)", ylabel="A-site")
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
