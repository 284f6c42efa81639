"""Figure 7: generated crystals of each family."""

import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from pymatgen.symmetry.groups import sg_symbol_from_int_number

from data_prep.crystal import FAMILIES, family_of
from data_prep.property_labels import FORMATION_ENERGY
from experiments import style
from experiments.drawing import as_plain, draw, formula_text, from_plain
from experiments.paper import FIGURE7
from experiments.stored import of_generation
from experiments.stored_generation import Generation
from experiments.table2 import survivors
from experiments.tables import write_data
from repro.run import Run

SHOWN = 2  # of each family
TITLES = {"AB": "binary alloy", "ABX3": "ternary perovskite", "ABX2": "Heusler compound"}  # the paper's names


def from_run(run: Run) -> dict:
    """Return Figure 7 of a run's generated crystals, stored as ``figure7.json``."""
    return of_generation("figure7", run, compute)


def compute(generation: Generation) -> dict:
    """Return up to two generated crystals of each family, with their structures and facts.

    Those of the paper's way of sampling that passed the filters of Table 2 come first, then formulas that are not in
    the training part, then the lowest predicted formation energy (eV/atom).
    """
    left = survivors(generation)
    crystals = []
    for family in FAMILIES:
        members = [row for row in generation.valid if family_of(row["formula"]) == family]
        for row in choose(members, left):
            names = ("id", "formula", "base", FORMATION_ENERGY, "spacegroup", "training_formula")
            facts = {name: row.get(name) for name in names} | {"filtered": row["id"] in left}
            plain = {"structure": as_plain(generation.structure(row)), "file": row["file"]}
            crystals.append({"family": family} | facts | plain)
    return {"crystals": crystals, "paper": FIGURE7}


def choose(rows: Sequence[dict], left: set[str]) -> list[dict]:
    """Return the rows of one family to show, of different formulas; ``left`` are the ids that passed the filters."""

    def order(row: dict) -> tuple:
        energy = row.get(FORMATION_ENERGY)
        return row["id"] not in left, row["training_formula"], energy is None, energy or 0.0, row["id"]

    chosen: dict[str, dict] = {}
    for row in sorted(rows, key=order):
        chosen.setdefault(row["formula"], row)
    return list(chosen.values())[:SHOWN]


def caption(figure: dict) -> str:
    """Return what the figure shows, in words."""
    groups = [(family, [c["formula"] for c in figure["crystals"] if c["family"] == family]) for family in FAMILIES]
    named = "; ".join(f"{TITLES[family]}: {', '.join(formulas) or 'none'}" for family, formulas in groups)
    filtered = sum(crystal["filtered"] for crystal in figure["crystals"])
    printed = ", ".join(figure["paper"].values())
    return (
        f"Generated crystals, families by stoichiometry ({named}), not relaxed; {filtered} of {len(figure['crystals'])}"
        " are of the paper's way of sampling and passed the filters of Table 2. Each panel gives the space group, the "
        f"predicted formation energy, and whether the training part has the formula. The paper shows {printed}."
    )


def text(figure: dict) -> str:
    """Return the formulas of the crystals."""
    named = ", ".join(crystal["formula"] for crystal in figure["crystals"])
    nothing = "none of the samples became a valid crystal of a family, so there is nothing to draw"
    return f"Figure 7: {named or nothing}."


def render(figure: dict, path: Path) -> list[Path]:
    """Write ``path``.json, and .svg and .png if there is a crystal, a column per family; ``path`` has no suffix."""
    files = write_data(path, figure)
    if not figure["crystals"]:
        return files
    by_family = [[c for c in figure["crystals"] if c["family"] == family] for family in FAMILIES]
    rows = max(len(members) for members in by_family)
    height = 2.9 * rows + 0.25
    with style.styled():
        drawing = Figure(figsize=(style.WIDTH, height))
        drawing.subplots_adjust(left=0.01, right=0.99, bottom=0.3 / height, top=1 - 0.6 / height, hspace=0.38)
        grid = drawing.subplots(rows, len(FAMILIES), squeeze=False)
        for column, members in zip(grid.T, by_family, strict=True):
            for axes, crystal in zip(column, [*members, *[None] * (rows - len(members))], strict=True):
                if crystal is None:
                    axes.set_axis_off()
                else:
                    draw(axes, from_plain(crystal["structure"]), _title(crystal))
        for axes, family, members in zip(grid[0], FAMILIES, by_family, strict=True):
            text = TITLES[family] if members else f"{TITLES[family]}: none generated"
            axes.annotate(text, (0.5, 1), (0, 28), "axes fraction", textcoords="offset points", ha="center",
                          fontweight="bold")  # fmt: skip
        return [*files, *style.save(drawing, path)]


def _title(crystal: dict) -> str:
    facts = []
    if crystal["spacegroup"]:
        facts.append(f"${mathematical(sg_symbol_from_int_number(crystal['spacegroup']))}$")
    if crystal[FORMATION_ENERGY] is not None:
        facts.append(f"{crystal[FORMATION_ENERGY]:.2f} eV/atom".replace("-", "−"))
    facts.append("known formula" if crystal["training_formula"] else "new formula")
    return f"{formula_text(crystal['formula'])}\n" + ", ".join(facts)


def mathematical(symbol: str) -> str:
    """Return a space group's symbol for mathtext: Fm-3m with a bar over the 3."""
    return re.sub(r"-(\d)", r"\\bar{\1}", symbol)
