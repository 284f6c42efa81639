"""Table 3: the candidates of Table 2 relaxed, by Quantum ESPRESSO or by its fast surrogate, and each one (Table S1).

Candidates of both ways of sampling are relaxed; the table has a row of each way by itself.
"""

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pymatgen.core import Structure

from data_prep.crystal import FAMILIES
from data_prep.errors import InputError
from data_prep.files.atomic import write_csv
from data_prep.property_labels import FORMATION_ENERGY
from data_prep.structures.cif import structure_of
from experiments.means import mean_and_median
from experiments.paper import TABLE3, TEXT
from experiments.stored import identity_of_generation, read_stored
from experiments.stored_generation import NOISE, WAYS
from experiments.surrogate_error import stored_at
from experiments.tables import markdown, mean_cell, shown, write_table
from repro.relaxation import relaxation_changes as changes
from repro.relaxation.calculation_store import CONVERGED
from repro.relaxation.calculator import Calculator
from repro.relaxation.espresso import Dft
from repro.run import PUBLISHED_CRYSTALS, Run

NAMES = ("table3_dft", "table3")  # results of pw.x and of the surrogate never share a file
PAPERS = {"ABX3": TABLE3[0], "ABX2": TABLE3[1], "AB": TABLE3[2]}
MEASURED = ("bonds_percent_of_cell", "formation_energy_difference", "cell_percent", "bonds_percent")
SURROGATE_TITLE = "Surrogate numbers: relaxed by {}, a neural network potential, not by DFT"
DFT_TITLE = "Relaxed by {}"
NOTE = (
    "Generated crystals against the same crystals with sites and cell relaxed, means over the candidates whose "
    "relaxation converged, with 95 % bootstrap intervals. |Δbonds|: change of the nearest-neighbour distances in % of "
    "the mean cell length, the text's definition; in % of each distance beside it. |ΔEf|: formation energy predicted "
    "by our CGCNN for the generated crystal against that calculated for the relaxed one, from elements relaxed in the "
    "same way. |Δcell|: change of a, b and c. Relaxing keeps the symmetry that a crystal starts with. The paper's "
    "cells did not change at all; ours are free to. The rows of the types and of all have the candidates of every way "
    "of sampling (Table 2), the rows below each way by itself: the paper's way, which all of the paper's candidates "
    "are of, and neighbours, which is ours."
)
DFT_NOTE = (
    " The predicted formation energies hold the Materials Project's corrections of 2011 (oxides, sulfides, "
    "fluorides, chlorides, nitrides, hydrides, transition metals with a U), those of pw.x do not, so that |ΔEf| "
    "contains these corrections."
)
_FROM_TABLE2 = ("base", "family", "sampling", "spacegroup", "n_sites", "min_distance", "base_energy")
COLUMNS = (
    "id", "base", "family", "sampling", "formula", "spacegroup", "n_sites", "min_distance", "base_energy", "predicted",
    "formation_energy", "formation_energy_difference", *(name for name in changes.COLUMNS if name not in
    ("id", "formula", "formation_energy")),
)  # fmt: skip


def from_run(run: Run, make_calculator: Callable[[], Calculator]) -> dict:
    """Relax the selected candidates of a run's Table 2 and return Table 3; raises InputError without Table 2.

    The calculator is made once the candidates are read: what it needs may not be installed yet.
    """
    candidates, structures = selected(run.results)
    table = compute(candidates, structures, make_calculator())
    if table["surrogate"]:
        table["surrogate_error"] = surrogate_error(run.results, table["method"])
    return table | {"identity": identity_of_generation(run.results)}


def selected(results: Path) -> tuple[list[dict], dict[str, Structure]]:
    """Return the selected candidates of Table 2 and their crystals by id.

    Raises InputError without Table 2, and if Table 2 is of an earlier generation or selects no neighbours.
    """
    path = results / "table2_candidates.csv"
    if not path.exists():
        raise InputError(f"{path} is not there: run 'make table2' first.")
    table = read_stored(results / "table2.json")
    if table.get("identity") != identity_of_generation(results):
        raise InputError(f"{path} is of an earlier generation: run 'make table2' again.")
    if not isinstance(table.get("selected"), dict):
        raise InputError(f"{path} is of an earlier version, which selected no neighbours: run 'make table2' again.")
    with open(path, newline="", encoding="utf-8") as file:
        candidates = [row for row in csv.DictReader(file) if row["selected"] == "True"]
    structures = {}
    for row in candidates:
        try:
            structures[row["id"]] = structure_of((results / row["file"]).read_text(encoding="utf-8"), primitive=True)
        except (OSError, ValueError) as error:
            raise InputError(f"{results / row['file']} cannot be read ({error}): run 'make table2' again.") from error
    if not structures:
        raise InputError(f"{path} lists no selected candidate: there is nothing to relax.")
    return candidates, structures


def surrogate_error(results: Path, potential: str) -> dict | None:
    """Return a potential's error on real crystals, of this run or the published one, None if not measured."""
    for folder in (results, PUBLISHED_CRYSTALS):
        path = stored_at(folder, potential).with_suffix(".json")
        if path.exists():
            part = read_stored(path)["groups"]["all"]
            error = {"cell": part["cell_percent"]["mean"], "formation_energy": part["formation_energy_error"]["mean"]}
            return error | {"relaxed": part["relaxed"]}
    return None


def compute(candidates: Sequence[dict], structures: Mapping[str, Structure], calculator: Calculator) -> dict:
    """Relax the candidates and return the table: ``groups`` by family and way, ``candidates``, ``elements``.

    Each candidate has its predicted and calculated formation energy (eV/atom), status and ``changes.changes``.
    """
    records, elements = calculator.with_elements(structures, "candidates")
    found = changes.rows(structures, records, elements)
    for row in candidates:
        add_prediction(found[row["id"]], row)
    surrogate = not isinstance(calculator.method, Dft)
    groups = {"all": list(found.values())} | {family: [] for family in FAMILIES}
    for row in found.values():
        for name in (row["family"], row["sampling"]):
            groups.setdefault(name, []).append(row)
    first = next((record["method"] for record in records.values() if "method" in record), {})
    return {
        "method": calculator.method.title,
        "surrogate": surrogate,
        "title": (SURROGATE_TITLE if surrogate else DFT_TITLE).format(calculator.method.title),
        "settings": first if surrogate else _settings(first, records),
        "groups": {name: group(rows) for name, rows in groups.items()},
        "candidates": list(found.values()),
        "elements": {symbol: _element(record) for symbol, record in elements.items()},
        "seconds": sum(record.get("seconds", 0.0) for record in (*records.values(), *elements.values())),
        "paper": {family: asdict(printed) for family, printed in PAPERS.items()},
        "records": records,
        "note": NOTE if surrogate else NOTE + DFT_NOTE,
    }


def add_prediction(row: dict, candidate: Mapping[str, str]) -> None:
    """Add Table 2's facts of a candidate to its row, and the error of the predicted formation energy in eV/atom."""
    row |= {name: candidate.get(name) for name in _FROM_TABLE2}
    row["predicted"] = float(candidate[FORMATION_ENERGY]) if candidate[FORMATION_ENERGY] else None
    known = row["predicted"] is not None and row["formation_energy"] is not None
    row["formation_energy_difference"] = abs(row["predicted"] - row["formation_energy"]) if known else None


def group(rows: Sequence[dict]) -> dict:
    """Return how many candidates there are, how many converged, why others did not, and the means of ``MEASURED``."""
    done = [row for row in rows if row["status"] == CONVERGED]
    values = {name: [row[name] for row in done if row[name] is not None] for name in MEASURED}
    means = {name: mean_and_median(found) for name, found in values.items()}
    others = Counter(row["status"] for row in rows if row["status"] != CONVERGED)
    return {"candidates": len(rows), "relaxed": len(done), "others": dict(sorted(others.items()))} | means


def _settings(method: dict, records: Mapping[str, dict]) -> dict:
    """Return what all calculations with pw.x have in common, and how many of them took how many iterations."""
    counts = Counter(str(record["iterations"]) for record in records.values() if "iterations" in record)
    common = {name: value for name, value in method.items() if name != "pseudopotentials"}
    return common | {"iterations": dict(sorted(counts.items()))}


def _element(record: dict) -> dict:
    kept = ("status", "reason", "energy_per_atom", "pressure", "key", "seconds")
    pseudo = record.get("method", {}).get("pseudopotentials")
    return {name: record.get(name) for name in kept} | ({"pseudopotential": pseudo} if pseudo else {})


def header(table: dict) -> list[str]:
    """Return the heads of the columns, ours naming the method."""
    ours = table["method"] + (" (surrogate)" if table["surrogate"] else "")
    quantities = ("|Δbonds| (%)", "|ΔEf| (eV/atom)", "|Δcell| (%)")
    mine = (f"{ours}: {quantity}" for quantity in ("relaxed of candidates", *quantities, "|Δbonds|, % of each"))
    return ["type", *(f"paper (DFT): {quantity}" for quantity in ("candidates", *quantities)), *mine]


def cells(table: dict) -> list[list[str]]:
    """Return the rows of the table as text, under ``header``: the paper's three types, all, each way of sampling."""
    rows = []
    for family, printed in PAPERS.items():
        paper = [
            str(printed.candidates),
            f"{printed.bonds:.2f}",
            f"{printed.formation_energy:.2f}",
            f"{printed.cell:g}",
        ]
        rows.append([f"{printed.type} ({family})", *paper, *_ours(table["groups"][family])])
    paper = [str(TEXT["dft_candidates"].value), f"{TEXT['dft_bonds'].value:g}", f"{TEXT['dft_energy'].value:g}", "0"]
    rows.append(["all", *paper, *_ours(table["groups"]["all"])])
    for way, name in _ways(table).items():
        beside = paper if way == NOISE else ["–"] * len(paper)  # the paper has no neighbours
        rows.append([name, *beside, *_ours(table["groups"][way])])
    return rows


def _ways(table: dict) -> dict[str, str]:
    """Return the ways of sampling that a table has groups of, with their names: none in one of an earlier version."""
    return {way: name for way, name in WAYS.items() if way in table["groups"]}


def _ours(part: dict) -> list[str]:
    return [f"{part['relaxed']} of {part['candidates']}", *(mean_cell(part[name], 2) for name in MEASURED)]


def summary(table: dict) -> str:
    """Return in one or two sentences what was relaxed, what was not and why."""
    groups = table["groups"]
    part, others = groups["all"], groups["all"]["others"]
    ways = [f"{name} {groups[way]['relaxed']} of {groups[way]['candidates']}" for way, name in _ways(table).items()]
    by_way = f" ({', '.join(ways)})" if ways else ""
    failed = ", ".join(f"{reason} {count}" for reason, count in others.items())
    left = f" Not relaxed: {failed}." if failed else ""
    middle = (shown(part[name]["median"]) for name in MEASURED[:3])
    medians = "Medians: |Δbonds| {} %, |ΔEf| {} eV/atom, |Δcell| {} %.".format(*middle)
    return f"{part['relaxed']} of {part['candidates']} candidates converged{by_way}. {medians}{left}{own_error(table)}"


def own_error(table: dict) -> str:
    """Return what is known of the surrogate's own error, so that it is read with the table; nothing for DFT."""
    error = table.get("surrogate_error")
    if not error:
        return ""
    return (
        f" On {error['relaxed']} real crystals {table['method']} itself differs from the DFT labels by "
        f"{error['cell']:.2f} % in the cell and {error['formation_energy']:.3f} eV/atom in the formation energy (mean "
        "absolute)."
    )


def render(table: dict, path: Path) -> list[Path]:
    """Write ``path``.json, .md, _candidates.csv and the relaxed CIFs; for pw.x ``path``_dft.json and so on."""
    path = path if table["surrogate"] else path.with_name(f"{path.name}_dft")
    if "records" in table:
        rows = {row["id"]: row for row in table["candidates"]}
        changes.write_cifs(rows, table["records"], path.with_name(f"{path.name}_relaxed"))
        table = {key: value for key, value in table.items() if key != "records"}
    candidates = path.with_name(f"{path.name}_candidates.csv")
    write_csv(candidates, table["candidates"], COLUMNS)
    return [*write_table(path, table, text(table)), candidates]


def text(table: dict) -> str:
    """Return the table as Markdown with its title, summary and note."""
    parts = [f"**{table['title']}**", markdown(header(table), cells(table)), summary(table), table["note"]]
    return "\n\n".join(parts)
