"""The report's section on the relaxed candidates: Table 3, by the surrogate and by DFT, each where it was run."""

from data_prep.errors import InputError
from experiments import table3
from experiments.reporting.crystals import viewer
from experiments.reporting.document import Block, Section, Table, Text, number
from experiments.reporting.material import Material
from experiments.reporting.samples import of_this_generation
from repro.relaxation.calculation_store import CONVERGED

LISTED = ("formula", "base", "predicted", "calculated", "|Δbonds| (%)", "|Δcell| (%)", "outcome")


def table_3(material: Material) -> Section:
    """The candidates of Table 2 with sites and cell relaxed, beside the paper's."""
    title = "Table 3: the candidates relaxed"
    blocks: list[Block] = []
    for name in table3.NAMES.values():
        found = of_this_generation(material, name)
        if found:
            blocks += _of_one_method(material, found)
        elif found is None:
            blocks.append(Text(f"{name} is out of date: the crystals were generated anew since; run it again."))
    return Section(title, tuple(blocks) or (Text("Not run yet: make table3 has left no result for this run."),))


def _of_one_method(material: Material, found: dict) -> tuple[Block, ...]:
    caption = f"Table 3. {found['title']}"
    table = Table(caption, tuple(table3.header(found)), [tuple(row) for row in table3.cells(found)])
    every = Table(
        f"Each candidate (Table S1), formation energies in eV/atom. {found['title']}",
        LISTED,
        [_candidate(row) for row in found["candidates"]],
    )
    return table, Text(table3.summary(found)), every, *_seen(material, found), Text(found["note"])


def _candidate(row: dict) -> tuple[str, ...]:
    energies = (number(row[name]) for name in ("predicted", "formation_energy"))
    changes = (number(row.get(name)) for name in ("bonds_percent_of_cell", "cell_percent"))
    outcome = "converged" if row["status"] == CONVERGED else row["status"]
    return (row["formula"], row["base"] or "–", *energies, *changes, outcome)


def _seen(material: Material, found: dict) -> tuple[Block, ...]:
    """Return a viewer of the relaxed crystals; none where their files are gone."""
    done = [row for row in found["candidates"] if row.get("relaxed")]
    rows = ((row["formula"], f"Relaxed, around {row['base']}.", row["relaxed"]) for row in done)
    try:
        return viewer(material.folder, rows, f"The relaxed candidates. {found['title']}")
    except InputError:
        return (Text("The CIFs of the relaxed candidates are not there any more; run make table3 again."),)
