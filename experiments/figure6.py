"""Figure 6: crystals sampled at random from the latent space: validity, types, energies, elements, known formulas.

Beyond the paper: does the predicted formation energy follow the decile that was asked for?
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from pymatgen.core import Composition

from data_prep.conditions import condition_bins
from data_prep.errors import InputError
from data_prep.property_labels import FORMATION_ENERGY
from experiments.drawing import as_plain
from experiments.figure6_drawing import draw_figure
from experiments.known_structures import COMPARED, MATCHING, errors, reference
from experiments.means import SEED, mean_of, most_common, share_of
from experiments.paper import BEYOND_TRAINING, TEXT
from experiments.stored import of_generation
from experiments.stored_generation import Generation, valid_of
from experiments.tables import markdown, mean_cell, share_cell, shown, write_table
from repro.evaluation.metrics import rank_correlation
from repro.run import Run

TYPES, ELEMENTS, EXAMPLES = 10, 15, 3
PAPER = {
    name: asdict(TEXT[name])
    for name in (
        "random_samples", "random_valid", "random_valid_share", "negative", "negative_share", "matches",
        "matches_energy_mae", "matches_length_mae",
    )
}  # fmt: skip


def from_run(run: Run) -> dict:
    """Return Figure 6 of a run's generated crystals, stored as ``figure6.json``."""
    return of_generation("figure6", run, compute)


def compute(generation: Generation) -> dict:
    """Return everything that Figure 6 shows of the random samples, energies in eV/atom, lengths in Å.

    Raises InputError without random samples.
    """
    rows = generation.random
    if not rows:
        raise InputError(f"{generation.results} has no random sample: run the stage 'generate' first.")
    valid = valid_of(rows)
    energies = [row[FORMATION_ENERGY] for row in valid if row.get(FORMATION_ENERGY) is not None]
    trained = {structure_type(crystal.formula) for crystal in generation.train}
    types = _types(valid, trained)
    return {
        "samples": len(rows),
        "valid": share_of([row["valid"] for row in rows]),
        "negative": share_of([energy < 0 for energy in energies]),
        "beyond_training": share_of([structure_type(row["formula"]) not in trained for row in valid]),
        "types": types,
        "examples": _examples(generation, valid, types),
        "elements": _elements(generation, valid),
        "matches": matched(generation, valid),
        "conditions": conditions(generation, rows),
        "paper": PAPER | {"beyond_training": BEYOND_TRAINING},
    }


def structure_type(formula: str) -> str:
    """Return the paper's structure type (Figure 6a), the anonymous formula: NaCl is AB, SrTiO3 ABC3."""
    return Composition(formula).anonymized_formula


def _types(valid: Sequence[dict], trained: set[str]) -> list[dict]:
    """Return the ten most frequent structure types with their predicted formation energies (Figures 6a, 6c)."""
    found = []
    for name, count in most_common((structure_type(row["formula"]) for row in valid), TYPES):
        members = [row for row in valid if structure_type(row["formula"]) == name]
        energies = [row[FORMATION_ENERGY] for row in members if row.get(FORMATION_ENERGY) is not None]
        found.append({"type": name, "count": count, "in_training": name in trained, "energies": energies})
    return found


def _examples(generation: Generation, valid: Sequence[dict], types: Sequence[dict]) -> list[dict]:
    """Return a crystal of each of the three most frequent types that are not in the training part (Figure 6b)."""
    found = []
    for one in [one for one in types if not one["in_training"]][:EXAMPLES]:
        row = next(row for row in valid if structure_type(row["formula"]) == one["type"])
        facts = {"type": one["type"], "formula": row["formula"], "file": row["file"]}
        found.append(facts | {"structure": as_plain(generation.structure(row))})
    return found


def _elements(generation: Generation, valid: Sequence[dict]) -> list[dict]:
    """Return the 15 elements in most valid crystals, and in what share of the training part they are (Figure 6d)."""
    generated = [element.symbol for row in valid for element in Composition(row["formula"]).elements]
    trained = [element.symbol for c in generation.train for element in Composition(c.formula).elements]
    return [
        {"element": symbol, "count": count, "share": count / len(valid)}
        | {"training_share": trained.count(symbol) / len(generation.train)}
        for symbol, count in most_common(generated, ELEMENTS)
    ]


def matched(generation: Generation, valid: Sequence[dict]) -> dict:
    """Return the valid samples whose formula the data know: counts, and mean absolute errors against the labels.

    ``length`` is the mean over a, b and c; ``same_cell_length`` of those whose cells are alike. Raises InputError if
    the data have no crystal of such a formula: they are not those that the samples were compared with.
    """
    found = []
    for row in valid:
        if not row["known_formula"]:
            continue
        if row["formula"] not in generation.by_formula:
            raise InputError(
                f"{generation.results} has {row['formula']} as a known formula, the run's data do not have it: "
                "run the stage 'generate' again."
            )
        structure = generation.structure(row)
        crystal, match = reference(structure, generation.by_formula[row["formula"]])
        facts = {"id": row["id"], "formula": row["formula"], "known": crystal.id, "training": row["training_formula"]}
        off = errors(row, structure, crystal)
        off["length"] = float(np.mean([off[axis] for axis in "abc"]))
        kept = ("a", "b", "c", "length", "volume", "same_cell", FORMATION_ENERGY)
        found.append(facts | {"structure_match": match} | {name: off[name] for name in kept})
    return {
        "rows": found,
        "known": share_of([row["known_formula"] for row in valid]),
        "structure_matches": sum(row["structure_match"] for row in found),
        "held_out": sum(not row["training"] for row in found),
        "energy": mean_of([row[FORMATION_ENERGY] for row in found if row[FORMATION_ENERGY] is not None]),
        "length": mean_of([row["length"] for row in found]),
        "same_cell_length": mean_of([row["length"] for row in found if row["same_cell"]]),
    }


def conditions(generation: Generation, rows: Sequence[dict]) -> dict:
    """Return the predicted formation energies by the decile asked for, their rank correlation, and the hits.

    A hit is a valid sample whose predicted energy lies in that decile of the training part; chance gives one in ten.
    """
    edges = generation.dataset.edges
    valid = [row for row in rows if row["valid"] and row.get(FORMATION_ENERGY) is not None]
    bins = condition_bins(np.array([row[FORMATION_ENERGY] for row in valid]), edges)
    asked = [row["condition"] for row in valid]
    deciles = []
    for condition in range(len(edges) + 1):
        drawn = [row["valid"] for row in rows if row["condition"] == condition]
        energies = [row[FORMATION_ENERGY] for row in valid if row["condition"] == condition]
        facts = {"condition": condition, "valid": share_of(drawn), "energies": energies}
        deciles.append(facts | {"mean": mean_of(energies)})
    return {
        "deciles": deciles,
        "edges": edges.tolist(),
        "spearman": rank_correlation(asked, [row[FORMATION_ENERGY] for row in valid], SEED),
        "hits": share_of([one == other for one, other in zip(asked, bins.tolist(), strict=True)]),
    }


def facts(figure: dict) -> list[tuple[str, str, str]]:
    """Return the numbers of the figure: quantity, the paper's, ours with its interval."""
    paper, found = {name: one["value"] for name, one in PAPER.items()}, figure["matches"]
    rho = figure["conditions"]["spearman"]
    mean = {"mean": rho["rho"], "interval": rho["interval"]}
    return [
        ("valid, of the samples", f"{paper['random_valid_share']} %, {paper['random_valid']} of "
         f"{paper['random_samples']:,}", share_cell(figure["valid"])),
        ("predicted Ef below 0, of the valid", f"{paper['negative_share']} %, {paper['negative']} of "
         f"{paper['random_valid']}", share_cell(figure["negative"])),
        ("structure type not in the training part, of the valid", "–", share_cell(figure["beyond_training"])),
        ("formula in the data, of the valid", f"{paper['matches']} of {paper['random_valid']}",
         share_cell(found["known"])),
        ("of these not in the training part", "–", f"{found['held_out']:,}"),
        ("of these with the known structure", "–", f"{found['structure_matches']:,}"),
        ("MAE of Ef of these (eV/atom)", shown(paper["matches_energy_mae"], 1), mean_cell(found["energy"])),
        ("MAE of a, b, c of these (Å)", shown(paper["matches_length_mae"]), mean_cell(found["length"])),
        ("the same for like cells (Å)", "–", mean_cell(found["same_cell_length"])),
        ("Spearman's ρ of the decile asked for and the predicted Ef", "–", mean_cell(mean)),
        ("predicted Ef in the decile asked for (by chance 10 %)", "–", share_cell(figure["conditions"]["hits"])),
    ]  # fmt: skip


CAPTION = (
    "Crystals sampled at random from the latent space. (a) The ten most frequent structure types; types that the "
    "training part lacks are orange. (b) One crystal of each of the most frequent such types. (c) Predicted formation "
    "energies by type: median, quartiles, 1.5 times their distance, outliers. (d) The fifteen elements in most "
    "crystals; dots are the training part. (e) Predicted formation energy by the decile asked for; bands are the "
    "deciles of the training part, bars the 95 % intervals of the means. Every energy is our CGCNN's."
)
NOTE = f"{COMPARED} {MATCHING}"


def render(figure: dict, path: Path) -> list[Path]:
    """Write ``path``.json, .md, .svg and .png; ``path`` has no suffix."""
    return [*write_table(path, figure, text(figure)), *draw_figure(figure, path)]


def text(figure: dict) -> str:
    """Return the numbers of the figure as a table in Markdown, with their note."""
    return f"{markdown(('random samples', 'paper', 'ours'), facts(figure))}\n\n{NOTE}"
