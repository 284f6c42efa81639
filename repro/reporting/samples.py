"""The report's sections on what was sampled: Tables 2 and 4, Figures 6 and 7, novelty. They draw what is stored."""

from collections.abc import Callable

from experiments import figure6, figure7, novelty, table2, table4
from experiments.generation import identity, read_stored
from repro.reporting.document import Block, Figure, Section, Table, Text
from repro.reporting.material import Material


def _section(material: Material, title: str, name: str, blocks: Callable[[dict], tuple[Block, ...]]) -> Section:
    """Return the section of the stored result ``name``, or what to run where there is none of this generation."""
    path = material.folder / f"{name}.json"
    if not path.exists():
        return Section(title, (Text(f"Not run yet: make {name} has left no result for this run."),))
    found = read_stored(path)
    if found.get("identity") != identity(material.folder):
        return Section(title, (Text(f"Out of date: the crystals were generated anew since; run make {name} again."),))
    return Section(title, blocks(found))


def table_2(material: Material) -> Section:
    """The samples around base compounds through the six filters, and the candidates selected."""

    def blocks(found: dict) -> tuple[Block, ...]:
        table = Table("Table 2", tuple(table2.header(found)), [tuple(row) for row in table2.cells(found)])
        where = "The candidates, the role of Table S1, are in table2_candidates.csv, with their CIFs."
        return table, Text(f"{table2.summary(found)} {where}"), Text(found["note"])

    return _section(material, "Table 2: samples around base compounds", "table2", blocks)


def table_4(material: Material) -> Section:
    """The candidates that the data know but no training did."""

    def blocks(found: dict) -> tuple[Block, ...]:
        table = Table("Table 4, absolute errors", tuple(table4.header()), [tuple(row) for row in table4.cells(found)])
        return table, Text(table4.summary(found)), Text(found["note"])

    return _section(material, "Table 4: candidates that were known, but not trained on", "table4", blocks)


def figure_6(material: Material) -> Section:
    """What random sampling gives."""

    def blocks(found: dict) -> tuple[Block, ...]:
        path = material.folder / "figure6"
        figure6.render(found, path)
        table = Table("Random samples", ("", "paper", "ours"), figure6.facts(found))
        alt = "Structure types, example crystals, formation energies, elements, and energies by the decile asked for"
        return table, Figure(path, f"Figure 6: {figure6.CAPTION}", alt), Text(figure6.NOTE)

    return _section(material, "Figure 6: crystals sampled at random", "figure6", blocks)


def figure_7(material: Material) -> Section:
    """Crystals of each family."""

    def blocks(found: dict) -> tuple[Block, ...]:
        path = material.folder / "figure7"
        figure7.render(found, path)
        if not found["crystals"]:
            return (Text("None of the samples became a valid crystal of one of the three families."),)
        named = ", ".join(crystal["formula"] for crystal in found["crystals"])
        return (Figure(path, f"Figure 7: {figure7.caption(found)}", f"Generated unit cells of {named}"),)

    return _section(material, "Figure 7: generated crystals of each family", "figure7", blocks)


def unlike(material: Material) -> Section:
    """Uniqueness, novelty, symmetry, distances and densities."""

    def blocks(found: dict) -> tuple[Block, ...]:
        path = material.folder / "novelty"
        novelty.render(found, path)
        table = Table("Generated crystals", tuple(novelty.header(found)), novelty.facts(found))
        alt = "Shares of new crystals, space groups, smallest distances and densities"
        return table, Figure(path, novelty.CAPTION, alt), Text(found["note"])

    return _section(material, "Unique, new, symmetric: beyond the paper", "novelty", blocks)
