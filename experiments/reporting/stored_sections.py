"""The report's sections on what was sampled: Tables 2 and 4, Figures 6 and 7, novelty. They draw what is stored."""

from collections.abc import Callable

from data_prep.property_labels import FORMATION_ENERGY
from experiments import figure6, figure7, novelty, table2, table4
from experiments.generation import identity, read_stored
from experiments.reporting import differences
from experiments.reporting.crystals import facts, viewer
from experiments.reporting.document import Block, Figure, Section, Table, Text
from experiments.reporting.material import Material


def of_this_generation(material: Material, name: str) -> dict | None:
    """Return the stored result ``name``, empty where there is none, None where the crystals are others by now."""
    path = material.folder / f"{name}.json"
    if not path.exists():
        return {}
    found = read_stored(path)
    return found if found.get("identity") == identity(material.folder) else None


def _section(
    material: Material, title: str, name: str, blocks: Callable[[dict], tuple[Block, ...]], unlike: str = ""
) -> Section:
    """Return the section of the stored result ``name``, or what to run where there is none of this generation."""
    found = of_this_generation(material, name)
    if found is None:
        return Section(title, (Text(f"Out of date: the crystals were generated anew since; run make {name} again."),))
    if not found:
        return Section(title, (Text(f"Not run yet: make {name} has left no result for this run."),))
    return Section(title, blocks(found), unlike)


def table_2(material: Material) -> Section:
    """The samples around base compounds through the six filters, and the candidates selected."""

    def blocks(found: dict) -> tuple[Block, ...]:
        table = Table(
            "Table 2, samples left after each step",
            tuple(table2.header(found)),
            [tuple(row) for row in table2.cells(found)],
        )
        where = "The candidates, the role of Table S1, are in table2_candidates.csv, with their CIFs."
        rows = (
            (f"{row['formula']}, around {row['base']}", _candidate(row), row["file"]) for row in found["candidates"]
        )
        seen = viewer(material.folder, rows, "The candidates that are left")
        return table, Text(f"{table2.summary(found)} {where}"), *seen, Text(found["note"])

    return _section(
        material, "Table 2: samples around base compounds", "table2", blocks, differences.around_bases(material)
    )


def table_4(material: Material) -> Section:
    """The candidates that the data know but no training did."""

    def blocks(found: dict) -> tuple[Block, ...]:
        table = Table(
            "Table 4, absolute errors; ✓ has the known structure",
            tuple(table4.header()),
            [tuple(row) for row in table4.cells(found)],
        )
        rows = ((row["formula"], _compared(row), row["file"]) for row in found["rows"])
        seen = viewer(material.folder, rows, "The candidates of the table")
        return table, Text(table4.summary(found)), *seen, Text(found["note"])

    title = "Table 4: candidates that were known, but not trained on"
    return _section(material, title, "table4", blocks, differences.known(material))


def _candidate(row: dict) -> str:
    energy = f"predicted {row[FORMATION_ENERGY]:.2f}, the base {row['base_energy']:.2f} eV/atom".replace("-", "−")
    selected = "selected" if row["selected"] else "an actinide, not selected" if row["actinide"] else "not selected"
    return f"Formation energy: {energy}; {selected}."


def _compared(row: dict) -> str:
    match = "the same structure as" if row["structure_match"] else "another structure than"
    lengths = ", ".join(f"|Δ{axis}| {row[axis]:.2f}" for axis in "abc")
    return f"{match[0].upper()}{match[1:]} {row['known']} of the {row['part']} part; {lengths} Å."


def figure_6(material: Material) -> Section:
    """What random sampling gives."""

    def blocks(found: dict) -> tuple[Block, ...]:
        path = material.folder / "figure6"
        figure6.render(found, path)
        table = Table("Random samples", ("", "paper", "ours"), figure6.facts(found))
        alt = "Structure types, example crystals, formation energies, elements, and energies by the decile asked for"
        rows = ((one["formula"], f"Structure type {one['type']}.", one["file"]) for one in found["examples"])
        seen = viewer(material.folder, rows, "The crystals of (b)")
        return table, Figure(path, f"Figure 6: {figure6.CAPTION}", alt), *seen, Text(figure6.NOTE)

    title = "Figure 6: crystals sampled at random"
    return _section(material, title, "figure6", blocks, differences.at_random(material))


def figure_7(material: Material) -> Section:
    """Crystals of each family."""

    def blocks(found: dict) -> tuple[Block, ...]:
        path = material.folder / "figure7"
        figure7.render(found, path)
        if not found["crystals"]:
            return (Text("None of the samples became a valid crystal of one of the three families."),)
        named = ", ".join(crystal["formula"] for crystal in found["crystals"])
        rows = ((one["formula"], facts(one), one["file"]) for one in found["crystals"])
        seen = viewer(material.folder, rows, "The crystals of Figure 7")
        return Figure(path, f"Figure 7: {figure7.caption(found)}", f"Generated unit cells of {named}"), *seen

    return _section(material, "Figure 7: generated crystals of each family", "figure7", blocks, differences.FIGURE7)


def unlike(material: Material) -> Section:
    """Uniqueness, novelty, symmetry, distances and densities."""

    def blocks(found: dict) -> tuple[Block, ...]:
        path = material.folder / "novelty"
        novelty.render(found, path)
        table = Table("Generated crystals", tuple(novelty.header(found)), novelty.facts(found))
        alt = "Shares of new crystals, space groups, smallest distances and densities"
        return table, Figure(path, novelty.CAPTION, alt), Text(found["note"])

    return _section(material, "Unique, new, symmetric: beyond the paper", "novelty", blocks)
