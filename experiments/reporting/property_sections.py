"""The report's sections on the property networks: Table 1, Figure 5, and whether their spread predicts their error.

A run whose candidates are ranked by the networks that come with the project shows theirs, from ``results/published``.
"""

from pathlib import Path

from experiments import calibration, figure5, table1
from experiments.reporting import differences
from experiments.reporting.document import Block, Figure, Section, Table, Text, absent, number
from experiments.reporting.material import Material
from repro.run import PUBLISHED

_CAPTION = (
    "Figure 5: predicted against true properties of the held-out crystals; darker cells hold fewer crystals, "
    "points stand where there are few. The dashed line is a perfect prediction. Logarithms are natural."
)
_ALT = "Panels of predicted against true values, one per property"


def table_1(material: Material) -> Section:
    """The errors of the property networks, the paper beside us."""
    title = "Table 1: properties of held-out crystals"
    blocks: list[Block] = []
    if material.properties:
        blocks += _table(table1.compute(material.properties), "Table 1, the networks of this run")
    if material.published.table1:
        caption = "Table 1, the networks that come with the project and rank the candidates"
        blocks += _table(material.published.table1, caption)
    if not blocks:
        return absent(title, "evaluate-properties")
    return Section(title, (*blocks, Text(table1.NOTE)), differences.PROPERTIES)


def _table(table: dict, caption: str) -> list[Block]:
    versions = ", ".join(f"{package} {version}" for package, version in table["versions"].items())
    origin = (
        f"Source {table['source']}, {table['data']['used']:,} crystals; preset {table['preset']}; split by "
        f"{table['split_by']}, seed {table['split_seed']}. {versions[:1].upper()}{versions[1:]}."
    )
    rows = [table1.cells(row) for row in table["rows"]]
    missing = [Text(table1.untrained(table))] if table["missing"] else []
    return [Table(caption, table1.HEADER, rows), Text(origin), *missing]


def figure_5(material: Material) -> Section:
    """Predicted against true values."""
    title = "Figure 5: predicted against true properties"
    blocks: list[Block] = []
    if material.parity:
        figure5.render(material.parity, material.folder / "figure5")
        blocks.append(Figure(material.folder / "figure5", _CAPTION, _ALT))
    path = PUBLISHED / "figure5"
    if material.published.table1 and path.with_suffix(".png").exists():
        blocks.append(Figure(path, f"{_CAPTION} The networks that come with the project.", _ALT))
    return Section(title, tuple(blocks), differences.PROPERTIES) if blocks else absent(title, "evaluate-properties")


def calibrated(material: Material) -> Section:
    """Whether the spread of the formation-energy networks predicts their error."""
    title = "Spread and error of the formation-energy networks"
    found = calibration.compute(material.properties)
    if found["bins"]:
        calibration.render(found, material.folder / "calibration")
        return Section(title, _spread(found, material.folder / "calibration"))
    if material.published.calibration:
        return Section(title, _spread(material.published.calibration, PUBLISHED / "calibration"))
    if material.properties:
        return Section(title, (Text("This run has fewer than two such networks, so that there is no spread."),))
    return absent(title, "evaluate-properties")


def _spread(found: dict, path: Path) -> tuple[Block, ...]:
    text = (
        f"Formation energy is predicted by {found['networks']} networks that differ in their seeds. The rank "
        f"correlation of their standard deviation with the error of their mean is {number(found['rank_correlation'])}."
    )
    caption = "Error of the mean against the spread, in bins of equal count; on the thin line they are equal."
    return Text(text), Figure(path, caption, "Error against the standard deviation of the networks")
