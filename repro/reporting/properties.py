"""The report's section on the property networks: Table 1, Figure 5, and whether their spread tells their error."""

from data_prep.properties import PROPERTIES
from experiments import calibration, figure5, table1
from repro.reporting.document import Block, Figure, Section, Table, Text, number
from repro.reporting.material import Material
from repro.reporting.results import absent


def properties(material: Material) -> Section:
    """Table 1 and Figure 5 of this run, the paper beside us."""
    title = "Table 1 and Figure 5: properties of held-out crystals"
    if not material.properties:
        return absent(title, "evaluate-properties")
    table = table1.compute(material.properties)
    blocks: list[Block] = [
        Table("Table 1", table1.HEADER, [table1.cells(row) for row in table["rows"]]),
        Text(table1.NOTE),
    ]
    if table["missing"]:
        names = ", ".join(PROPERTIES[name].title for name in table["missing"])
        blocks.append(Text(f"Not trained, for want of labels in this source: {names}."))
    blocks.append(_figure5(material))
    if "calibration" in material.properties:
        blocks += _calibration(material)
    return Section(title, tuple(blocks))


def _figure5(material: Material) -> Figure:
    path = material.folder / "figure5"
    figure5.render(figure5.compute(material.properties, material.folder / "properties_test.npz"), path)
    caption = (
        "Figure 5: predicted against true properties of the held-out crystals; darker cells hold fewer crystals, "
        "points stand where there are few. The dashed line is a perfect prediction. Logarithms are natural."
    )
    return Figure(path, caption, "Eight panels of predicted against true values")


def _calibration(material: Material) -> list[Block]:
    found, path = calibration.compute(material.properties), material.folder / "calibration"
    calibration.render(found, path)
    text = (
        f"Formation energy is predicted by {found['networks']} networks that differ in their seeds. The rank "
        f"correlation of their standard deviation with the error of their mean is {number(found['rank_correlation'])}."
    )
    caption = "Error of the mean against the spread, in bins of equal count; on the thin line they are equal."
    return [Text(text), Figure(path, caption, "Error against the standard deviation of the networks")]
