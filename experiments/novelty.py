"""Beyond the paper: are generated crystals unlike each other, unlike the training part, symmetric, and as dense?"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pymatgen.core import Structure
from pymatgen.symmetry.groups import sg_symbol_from_int_number
from tqdm import tqdm

from data_prep.crystal import Crystal
from data_prep.quarantine import CUBIC
from data_prep.structures.matching import reduced, reduced_match
from data_prep.structures.validity import CROWDED, smallest_distance
from experiments import style
from experiments.known_structures import MATCHING
from experiments.means import mean_of, most_common, share_of
from experiments.stored import of_generation
from experiments.stored_generation import Generation, by_formula
from experiments.tables import markdown, mean_cell, share_cell, write_table
from repro.run import Run

GROUPS, BINS = 10, 40
NAMES = {"around": "around a base", "neighbours": "neighbours of a base", "random": "random"}
NOTE = (
    "New: no crystal of the training part has the formula, or matches the structure. Unique: the first of its formula, "
    "or of its structure, among the samples; the share falls with the number of samples, so it has no interval. "
    f"{MATCHING} Space groups within 0.2 Å, as the generation finds them. Minimum distances include periodic images."
)


def from_run(run: Run) -> dict:
    """Return the novelty of a run's generated crystals, stored as ``novelty.json``."""
    return of_generation("novelty", run, compute)


def compute(generation: Generation) -> dict:
    """Return uniqueness, novelty, space groups, minimum distances (Å) and densities (g/cm^3) of the valid samples.

    By way of sampling, with those of the training part beside them; also how many are crowded, as the ranking judges.
    """
    structures = {row["id"]: generation.structure(row) for row in _counted(generation.valid, "CIFs")}
    cells = {id: reduced(structure) for id, structure in _counted(structures.items(), "cells")}
    generated, known = {row["formula"] for row in generation.valid}, by_formula(generation.train)
    trained = {name: [reduced(crystal.structure()) for crystal in known[name]] for name in generated & known.keys()}
    new = {row["id"]: is_new(cells[row["id"]], trained.get(row["formula"], ())) for row in generation.valid}
    groups = {}
    for name, rows in (
        ("around", generation.around),
        ("neighbours", generation.neighbours),
        ("random", generation.random),
    ):
        if rows:
            groups[name] = _group(rows, structures, first_of_their_kind(rows, cells), new)
    real = [crystal.structure() for crystal in generation.train]
    return {"groups": groups, "training": _geometry(real) | _training_groups(generation.train), "note": NOTE}


def _counted(items: Iterable, description: str) -> Iterable:
    return tqdm(items, desc=description, disable=None, leave=False)


def is_new(cell: Structure, known: Sequence[Structure]) -> bool:
    """Return whether a crystal matches none of the ``known`` ones of its formula; all of them reduced."""
    return not any(reduced_match(cell, other) for other in known)


def first_of_their_kind(rows: Sequence[dict], cells: dict[str, Structure]) -> set[str]:
    """Return the ids of the rows whose reduced cell matches that of no earlier row; rows without a cell have none."""
    seen: dict[str, list[Structure]] = {}
    found = set()
    for row in _counted([row for row in rows if row["id"] in cells], "unique"):
        before = seen.setdefault(row["formula"], [])
        if is_new(cells[row["id"]], before):
            before.append(cells[row["id"]])
            found.add(row["id"])
    return found


def _group(rows: Sequence[dict], structures: dict[str, Structure], unique: set[str], new: dict[str, bool]) -> dict:
    valid = [row for row in rows if row["id"] in structures]
    spacegroups = [row["spacegroup"] or 1 for row in valid]  # spglib finds none: no symmetry
    facts = {
        "samples": len(rows),
        "valid": share_of([row["valid"] for row in rows]),
        "unique_formulas": len({row["formula"] for row in valid}),
        "unique_structures": len(unique),
        "new_formula": share_of([not row["training_formula"] for row in valid]),
        "new_structure": share_of([new[row["id"]] for row in valid]),
        "valid_unique_new": sum(new[row["id"]] for row in valid if row["id"] in unique),
        "other_formula": sum(structures[r["id"]].composition.reduced_formula != r["formula"] for r in valid),
        "charge_balanced": share_of([row.get("charge_balanced", False) for row in valid]),
        "crowded": share_of([row["closeness"] < CROWDED for row in valid if row.get("closeness") is not None]),
    }
    return facts | _symmetry(spacegroups) | _geometry([structures[row["id"]] for row in valid])


def _symmetry(spacegroups: Sequence[int]) -> dict:
    common = [{"number": number, "count": count} for number, count in most_common(spacegroups, GROUPS)]
    cubic = share_of([number in CUBIC for number in spacegroups])
    return {"p1": share_of([number == 1 for number in spacegroups]), "cubic": cubic, "spacegroups": common}


def _training_groups(crystals: Sequence[Crystal]) -> dict:
    """Return the symmetry of crystals that have a space group, as all have that were screened."""
    return _symmetry([int(c.properties["spacegroup"]) for c in crystals if "spacegroup" in c.properties])


def _geometry(structures: Sequence[Structure]) -> dict:
    distances = [smallest_distance(structure) for structure in structures]
    densities = [float(structure.density) for structure in structures]
    means = {"min_distance": mean_of(distances), "density": mean_of(densities)}
    return means | {"min_distances": distances, "densities": densities}


def facts(found: dict) -> list[tuple[str, ...]]:
    """Return the numbers as rows: quantity, each way of sampling, the training part."""
    groups, training = list(found["groups"].values()), found["training"]

    def row(name: str, key: str, cell, real: str = "–") -> tuple[str, ...]:
        return name, *(cell(group[key]) for group in groups), real

    def count(value: int) -> str:
        return f"{value:,}"

    crowded = f"atoms closer than {CROWDED} of their radii, of the valid"
    return [
        row("samples", "samples", count),
        row("valid, of the samples", "valid", share_cell),
        row("distinct formulas", "unique_formulas", count),
        row("distinct structures", "unique_structures", count),
        row("new formula, of the valid", "new_formula", share_cell),
        row("new structure, of the valid", "new_structure", share_cell),
        row("valid, unique and new structures", "valid_unique_new", count),
        row("CIFs of another formula than the table says", "other_formula", count),
        row("charge balanced, of the valid", "charge_balanced", share_cell),
        *([row(crowded, "crowded", share_cell)] if all("crowded" in group for group in groups) else []),
        row("space group P1, of the valid", "p1", share_cell, share_cell(training["p1"])),
        row("cubic, of the valid", "cubic", share_cell, share_cell(training["cubic"])),
        row("minimum distance, mean (Å)", "min_distance", mean_cell, mean_cell(training["min_distance"])),
        row("density, mean (g/cm³)", "density", mean_cell, mean_cell(training["density"])),
    ]


def header(found: dict) -> list[str]:
    """Return the heads of the columns of ``facts``."""
    return ["generated crystals", *(NAMES[name] for name in found["groups"]), "training part"]


CAPTION = (
    "Generated crystals beside the training part: (a) samples that are valid, and of them those with a formula or a "
    "structure that the training part lacks, with 95 % intervals; (b) the most frequent space groups; (c) smallest "
    "distances between sites; (d) densities. The last bars hold whatever lies beyond the axis."
)
_COLOURS = {"around": style.BLUE, "neighbours": style.GREEN, "random": style.ORANGE, "training": style.BLACK}


def text(found: dict) -> str:
    """Return the numbers as a table in Markdown, with their note."""
    return f"{markdown(header(found), facts(found))}\n\n{found['note']}"


def render(found: dict, path: Path) -> list[Path]:
    """Write ``path``.json, .md, .svg and .png; ``path`` has no suffix."""
    files = write_table(path, found, text(found))
    with style.styled():
        drawing = Figure(figsize=(style.WIDTH, 5.0))
        drawing.subplots_adjust(left=0.075, right=0.99, bottom=0.09, top=0.96, wspace=0.2, hspace=0.5)
        panels = drawing.subplots(2, 2).flat
        _draw_shares(panels[0], found["groups"])
        _draw_spacegroups(panels[1], found)
        _draw_histogram(panels[2], found, "min_distances", "smallest distance (Å)")
        _draw_histogram(panels[3], found, "densities", "density (g/cm³)")
        for axes, letter in zip(panels, "abcd", strict=True):
            axes.set_title(f"({letter})", loc="left", fontweight="bold")
        return [*files, *style.save(drawing, path)]


def _draw_shares(axes: Axes, groups: dict) -> None:
    shown = {"valid": "valid", "new_formula": "new\nformula", "new_structure": "new\nstructure", "cubic": "cubic"}
    for (name, group), (offset, width) in zip(groups.items(), _side_by_side(len(groups)), strict=True):
        parts = [group[key] for key in shown]
        heights = [100 * (part["share"] or 0.0) for part in parts]
        bounds = [[100 * end for end in part["interval"]] if part["interval"] else [height] * 2
                  for part, height in zip(parts, heights, strict=True)]  # fmt: skip
        off = np.abs(np.array(bounds).T - heights)
        axes.bar(np.arange(len(shown)) + offset, heights, width, yerr=off, capsize=2, color=_COLOURS[name],
                 error_kw={"linewidth": 0.8})  # fmt: skip
    axes.set_xticks(range(len(shown)), shown.values())
    axes.set(ylabel="share (%)", ylim=(0, 105), yticks=range(0, 101, 20))


def _side_by_side(count: int) -> list[tuple[float, float]]:
    """Return offset and width of each of the ``count`` bars at a tick; ticks are 1 apart."""
    step = 0.8 / count
    return [(step * (place - (count - 1) / 2), 0.95 * step) for place in range(count)]


def _draw_spacegroups(axes: Axes, found: dict) -> None:
    """Bars of the groups that are most frequent in any way of sampling, in the order of the table of groups.

    Their legend is that of all four panels: it has room here.
    """
    groups = found["groups"]
    numbers = most_common((one["number"] for g in groups.values() for one in g["spacegroups"][:6]), 12)
    numbers = sorted(number for number, _ in numbers)
    drawn = groups | {"training": found["training"]}
    for (name, group), (offset, width) in zip(drawn.items(), _side_by_side(len(drawn)), strict=True):
        counts = {one["number"]: one["count"] for one in group["spacegroups"]}
        total = group["p1"]["of"] or 1
        heights = [100 * counts.get(number, 0) / total for number in numbers]
        axes.bar(np.arange(len(numbers)) + offset, heights, width, color=_COLOURS[name],
                 label=f"{NAMES.get(name, 'training part')}, n = {total:,}")  # fmt: skip
    axes.set_xticks(range(len(numbers)), [sg_symbol_from_int_number(number) for number in numbers])
    for label in axes.get_xticklabels():
        label.set(rotation=35, ha="right", rotation_mode="anchor")
    axes.set_ylabel("crystals (%)")
    axes.legend(frameon=False)


def _draw_histogram(axes: Axes, found: dict, key: str, label: str) -> None:
    parts = {name: group[key] for name, group in found["groups"].items()} | {"training": found["training"][key]}
    parts = {name: values for name, values in parts.items() if values}
    top = max(float(np.percentile(values, 99)) for values in parts.values())
    edges = np.linspace(0, top, BINS + 1)
    for name, values in parts.items():
        weights = np.full(len(values), 100 / len(values))
        axes.hist(np.minimum(values, top), edges, weights=weights, color=_COLOURS[name], histtype="step", linewidth=1.2)
    axes.set(xlabel=label, ylabel="crystals (%)", xlim=(0, top))
