"""The report's sections on the latent space and the ablations: Figures 2 and 3, Table 5. They draw what is stored."""

from collections.abc import Callable, Sequence

from experiments import figure2, figure3, latent, table5
from experiments.reporting import differences
from experiments.reporting.document import Block, Figure, Section, Table, Text
from experiments.reporting.material import Material
from experiments.trained import Stored, present


def _section(
    material: Material,
    title: str,
    name: str,
    networks: Sequence[str],
    blocks: Callable[[Stored], tuple[Block, ...]],
    unlike: str,
) -> Section:
    """Return the section of the stored result ``name``, or what to run where there is none of these networks."""
    found = present(name, material.run, networks)
    if found is not None:
        return Section(title, blocks(found), unlike)
    if (material.folder / f"{name}.json").exists():
        return Section(title, (Text(f"Out of date: the networks are others by now; run make {name} again."),))
    return Section(title, (Text(f"Not run yet: make {name} has left no result for this run."),))


def figure_2(material: Material) -> Section:
    """The latent dimensions, lines between pairs of crystals, and the A-site along one of them."""

    def blocks(found: Stored) -> tuple[Block, ...]:
        path = material.folder / "figure2"
        figure2.render(found, path)
        alt = "Densities of the latent dimensions, slices of decoded maps along ten lines, elements on the A-site"
        table = (
            [Table("Figure 2c: elements on the A-site", figure2.HEADER, rows)] if (rows := figure2.cells(found)) else []
        )
        return Figure(path, f"Figure 2: {figure2.CAPTION}", alt), Text(figure2.summary(found.facts)), *table

    title = "Figure 2: the latent space and lines through it"
    return _section(material, title, "figure2", figure2.NETWORKS, blocks, differences.latent(material))


def figure_3(material: Material) -> Section:
    """The latent space in the plane."""

    def blocks(found: Stored) -> tuple[Block, ...]:
        path = material.folder / "figure3"
        figure3.render(found, path)
        alt = "Encoded structures in the plane, coloured by family and shaded by formation energy"
        caption = f"Figure 3: {figure3.summary(found.facts)} Darker shades: higher formation energies."
        return Figure(path, caption, alt), Text(figure3.NOTE)

    title = "Figure 3: t-SNE of the latent space"
    return _section(material, title, "figure3", latent.NETWORKS, blocks, differences.FIGURE3)


def table_5(material: Material) -> Section:
    """The ablations, which are trainings of their own."""
    title = "Table 5: without the perceptual model, without the ionic radii"
    found = material.ablations
    if not found:
        return Section(title, (Text("Not run yet: make table5 has left no result for this run; it trains anew."),))
    said = (Text(sentence) for sentence in table5.statements(found))
    table = Table(f"Table 5, the ablations: {table5.trained_on(found)}", table5.HEADER, table5.cells(found))
    return Section(title, (table, *said, Text(found["note"])), differences.ABLATIONS)
