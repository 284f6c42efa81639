"""A generation that never was: six known crystals and samples around two of them and at random, counted by hand."""

import csv
from pathlib import Path

import numpy as np
from pymatgen.core import Element, Lattice, Structure

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.crystal_table import write_crystals
from data_prep.files.atomic import write_json
from experiments.stored_generation import Generation, read_generation

RUN = ("--run", "made-up")  # the options of an experiment on it, in the folder that it was written to
COLUMNS = (
    "id", "target", "base", "condition", "formula", "valid", "formation_energy_per_atom", "bulk_modulus", "spacegroup",
    "n_sites", "a", "b", "c", "angle", "same_stoichiometry", "charge_balanced", "known_formula", "training_formula",
    "closeness", "sampling", "file", "reason",
)  # fmt: skip
PEROVSKITE = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]


def perovskite(a_site: str, b_site: str, a: float) -> Structure:
    """Return the cubic perovskite of two metals with oxygen, a in Å."""
    return Structure(Lattice.cubic(a), [a_site, b_site, "O", "O", "O"], PEROVSKITE)


def rocksalt(one: str, other: str, a: float) -> Structure:
    """Return the primitive cell of rock salt, ``a`` of its conventional cell in Å."""
    lattice = Lattice.from_parameters(*[a / 2**0.5] * 3, 60, 60, 60)
    return Structure(lattice, [one, other], [[0, 0, 0], [0.5, 0.5, 0.5]])


def caesium_chloride(one: str, other: str, a: float) -> Structure:
    """Return the cell of caesium chloride, a in Å."""
    return Structure(Lattice.cubic(a), [one, other], [[0, 0, 0], [0.5, 0.5, 0.5]])


def known_crystals() -> list[tuple[Crystal, str]]:
    """Return the crystals of the run with their parts."""

    def crystal(id: str, structure: Structure, energy: float, group: int, **more: float) -> Crystal:
        return crystal_from_structure(structure, id, energy, {"spacegroup": float(group)} | more)

    return [
        (crystal("k-0", perovskite("Sr", "Ti", 3.91), -3.0, 221), "train"),
        (crystal("k-1", rocksalt("Na", "Cl", 5.64), -2.0, 225), "train"),
        (crystal("k-2", perovskite("Ba", "Ti", 4.0), -3.4, 221), "train"),
        (crystal("k-3", perovskite("Ca", "Ti", 3.9), -3.1, 221, K_VRH=170.0), "test"),
        (crystal("k-4", rocksalt("K", "Cl", 6.3), -2.2, 225), "test"),
        (crystal("k-5", rocksalt("Li", "F", 4.03), -3.0, 225), "validation"),
    ]


def samples() -> list[dict]:
    """Return the samples: ten around SrTiO3, ten around NaCl, six at random of which four are valid."""
    around = [
        None, {"valid": False, "structure": perovskite("Ca", "Ti", 4.0)}, {"structure": rocksalt("Mg", "O", 4.2)},
        {"structure": perovskite("Ba", "Ti", 4.1), "energy": -3.0},
        {"structure": perovskite("Ca", "Ti", 4.0), "energy": -3.5, "bulk_modulus": 200.0},
        {"structure": perovskite("Ca", "Ti", 4.0), "energy": -3.1}, {"structure": perovskite("Ca", "Ti", 4.0),
        "energy": -2.0}, {"structure": perovskite("Th", "Ti", 4.1), "energy": -3.0},
        {"structure": perovskite("Mg", "Ti", 3.8)}, {"structure": perovskite("Ba", "Zr", 4.2), "energy": -2.5},
    ]  # fmt: skip
    rows = [_row("SrTiO3-k-0", "SrTiO3", 4, number, sample) for number, sample in enumerate(around)]
    salt = {"structure": rocksalt("Na", "Cl", 5.7), "energy": -2.0}
    rows += [_row("NaCl-k-1", "NaCl", 6, number, salt) for number in range(10)]
    random = [
        (0, {"structure": caesium_chloride("K", "Cl", 3.8), "energy": -3.6}), (0, None),
        (9, {"structure": rocksalt("Na", "Cl", 5.74), "energy": -1.5}),
        (9, {"structure": caesium_chloride("Al", "Ni", 2.9), "energy": 0.4}),
        (5, {"structure": Structure(Lattice.cubic(2.9), ["Fe", "Fe"], [[0, 0, 0], [0.5] * 3]), "energy": 0.1}),
        (5, {"structure": rocksalt("Na", "Cl", 5.7), "valid": False}),
    ]  # fmt: skip
    return rows + [_row(f"random-{c}", "", c, number, sample) for number, (c, sample) in enumerate(random)]


def _row(target: str, base: str, condition: int, number: int, sample: dict | None) -> dict:
    row = {"id": f"{target}-{number:05d}", "target": target, "base": base, "condition": condition, "valid": False}
    row["sampling"] = "noise" if base else "encoded"
    if sample is None:
        return row | {"reason": "no occupied voxels"}
    structure, valid = sample["structure"], sample.get("valid", True)
    formula = structure.composition.reduced_formula
    like = {"SrTiO3": "ABC3", "NaCl": "AB"}.get(base, structure.composition.anonymized_formula)
    parts = {crystal.formula: part for crystal, part in known_crystals()}
    return row | {
        "formula": formula, "valid": valid, "formation_energy_per_atom": sample.get("energy"),
        "bulk_modulus": sample.get("bulk_modulus"), "n_sites": len(structure), "a": structure.lattice.a,
        "b": structure.lattice.b, "c": structure.lattice.c, "angle": structure.lattice.alpha,
        "spacegroup": structure.get_space_group_info()[1], "charge_balanced": formula != "AlNi",
        "same_stoichiometry": structure.composition.anonymized_formula == like, "known_formula": formula in parts,
        "training_formula": parts.get(formula) == "train", "structure": structure if valid else None,
    }  # fmt: skip


def write(folder: Path, rows: list[dict] | None = None) -> tuple[Path, Path]:
    """Leave a generation and its data behind; return the folders of the results and of the data."""
    results, data = folder / "results" / "made-up", folder / "runs" / "made-up" / "data"
    (results / "generate" / "cifs").mkdir(parents=True)
    with open(results / "generate" / "candidates.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row in samples() if rows is None else rows:
            if row.get("structure"):
                row["file"] = f"cifs/{row['id']}-{row['formula']}.cif"
                row["structure"].to(str(results / "generate" / row["file"]), fmt="cif")
            writer.writerow(row)
    known = known_crystals()
    write_crystals(data / "crystals.npz", [crystal for crystal, _ in known])
    edges = np.linspace(-3.5, -1.5, 9)
    write_json(data / "split.json", {"parts": {c.id: part for c, part in known}, "condition_edges": edges})
    return results, data


def generation(folder: Path, rows: list[dict] | None = None) -> Generation:
    """Return the made-up generation, read from ``folder``."""
    return read_generation(*write(folder, rows))


def noncubic(id: str, formula: tuple[str, str], energy: float, group: int) -> Crystal:
    """Return a perovskite that its source says is of another space group."""
    structure = perovskite(*formula, 4.0)
    assert all(Element(symbol) for symbol in formula)
    return crystal_from_structure(structure, id, energy, {"spacegroup": float(group)})
