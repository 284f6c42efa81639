"""The report's sections on stored experiments: Tables 2 to 5, Figures 2, 3, 6 and 7, and those beyond the paper."""

from collections.abc import Callable

from data_prep.errors import InputError
from data_prep.property_labels import FORMATION_ENERGY
from experiments import (
    discovery,
    figure2,
    figure3,
    figure6,
    figure7,
    novelty,
    perov5,
    published_trainings,
    seeds,
    slices,
    table2,
    table3,
    table4,
    table5,
)
from experiments.reporting import differences
from experiments.reporting.document import Block, Figure, Section, Table, Text, number
from experiments.reporting.generated_crystals import facts, viewer
from experiments.reporting.material import OF_NETWORKS, Material
from experiments.stored import Stored
from experiments.stored_generation import WAYS
from repro.relaxation.calculation_store import CONVERGED

_RELAXED = ("formula", "base", "sampled", "predicted", "calculated", "|Δbonds| (%)", "|Δcell| (%)", "outcome")


def _section(
    material: Material, title: str, name: str, blocks: Callable[[dict | Stored], tuple[Block, ...]], unlike: str = ""
) -> Section:
    """Return the section of the stored result ``name``, or what to run if it is missing or out of date."""
    if name in material.found:
        return Section(title, blocks(material.found[name]), unlike)
    if name in material.outdated:
        why = "the networks are others by now" if name in OF_NETWORKS else "the crystals were generated anew since"
        return Section(title, (Text(f"Out of date: {why}; run make {name} again."),))
    return Section(title, (Text(f"Not run yet: make {name} has left no result for this run."),))


def table_2(material: Material) -> Section:
    """The samples around base compounds through the six filters, and the candidates selected."""

    def blocks(found: dict) -> tuple[Block, ...]:
        rows = [tuple(row) for row in table2.cells(found)]
        table = Table("Table 2, samples left after each step", tuple(table2.header(found)), rows)
        files = "The candidates, the role of Table S1, are in table2_candidates.csv, with their CIFs."
        seen = []
        for way in WAYS:  # each by itself: the neighbours are so many that they would hide the others
            left = sorted(table2.candidates_of(found, way), key=lambda row: abs(row["difference"]))
            crystals = ((f"{row['formula']}, around {row['base']}", _candidate(row), row["file"]) for row in left)
            seen += viewer(material.folder, crystals, f"The candidates left, {WAYS[way]}, closest to their bases first")
        return table, Text(f"{table2.summary(found)} {files}"), *seen, Text(found["note"])

    title = "Table 2: samples around base compounds"
    return _section(material, title, "table2", blocks, differences.around_bases(material))


def _candidate(row: dict) -> str:
    energy = f"predicted {row[FORMATION_ENERGY]:.2f}, the base {row['base_energy']:.2f} eV/atom".replace("-", "−")
    selected = "selected" if row["selected"] else "an actinide, not selected" if row["actinide"] else "not selected"
    return f"Formation energy: {energy}; {selected}."


def table_3(material: Material) -> Section:
    """The candidates of Table 2 with sites and cell relaxed, by pw.x and by the surrogate, whichever was run."""
    blocks: list[Block] = []
    for name in table3.NAMES:
        if name in material.found:
            blocks += _relaxed(material, material.found[name])
        elif name in material.outdated:
            blocks.append(Text(f"{name} is out of date: the crystals were generated anew since; run it again."))
    nothing = Text("Not run yet: make table3 has left no result for this run.")
    return Section("Table 3: the candidates relaxed", tuple(blocks) or (nothing,), differences.relaxed(material))


def _relaxed(material: Material, found: dict) -> tuple[Block, ...]:
    rows = [tuple(row) for row in table3.cells(found)]
    table = Table(f"Table 3. {found['title']}", tuple(table3.header(found)), rows)
    caption = f"Each candidate (Table S1), formation energies in eV/atom. {found['title']}"
    every = Table(caption, _RELAXED, [_relaxed_candidate(row) for row in found["candidates"]])
    crystals = (
        (row["formula"], f"Relaxed, around {row['base']}.", row["relaxed"])
        for row in found["candidates"]
        if row.get("relaxed")
    )
    try:
        seen = viewer(material.folder, crystals, f"The relaxed candidates. {found['title']}")
    except InputError:
        seen = (Text("The CIFs of the relaxed candidates are not there any more; run make table3 again."),)
    return table, Text(table3.summary(found)), every, *seen, Text(found["note"])


def _relaxed_candidate(row: dict) -> tuple[str, ...]:
    energies = (number(row[name]) for name in ("predicted", "formation_energy"))
    changes = (number(row.get(name)) for name in ("bonds_percent_of_cell", "cell_percent"))
    outcome = "converged" if row["status"] == CONVERGED else row["status"]
    return (row["formula"], row["base"] or "–", WAYS.get(row.get("sampling"), "–"), *energies, *changes, outcome)


def table_4(material: Material) -> Section:
    """The candidates that the data know but no training did."""

    def blocks(found: dict) -> tuple[Block, ...]:
        rows = [tuple(row) for row in table4.cells(found)]
        table = Table("Table 4, absolute errors; ✓ has the known structure", tuple(table4.header()), rows)
        crystals = ((row["formula"], _compared(row), row["file"]) for row in found["rows"])
        seen = viewer(material.folder, crystals, "The candidates of the table")
        return table, Text(table4.summary(found)), *seen, Text(found["note"])

    title = "Table 4: candidates that were known, but not trained on"
    return _section(material, title, "table4", blocks, differences.known(material))


def _compared(row: dict) -> str:
    match = "The same structure as" if row["structure_match"] else "Another structure than"
    lengths = ", ".join(f"|Δ{axis}| {row[axis]:.2f}" for axis in "abc")
    return f"{match} {row['known']} of the {row['part']} part; {lengths} Å."


def table_5(material: Material) -> Section:
    """The ablations, which are trainings of their own."""
    title, found = "Table 5: without the perceptual model, without the ionic radii", material.table5
    if not found:
        return Section(title, (Text("Not run yet: make table5 has left no result for this run; it trains anew."),))
    statements = (Text(sentence) for sentence in table5.statements(found))
    table = Table(f"Table 5, the ablations: {table5.trained_on(found)}", table5.HEADER, table5.cells(found))
    return Section(title, (table, *statements, Text(found["note"])), differences.ABLATIONS)


def benchmark(material: Material) -> Section:
    """The method on CDVAE's benchmark of perovskites, beside its rivals: trainings of their own."""
    title, found = "Perov-5: the method on its rivals' benchmark", material.published.perov5
    if not found:
        return Section(title, (Text("Not run yet: make perov5 DATA=table PUBLISH=1 trains generators of its own."),))
    table = Table(perov5.trained_on(found), perov5.HEADER, [tuple(row) for row in perov5.rows(found)])
    return Section(title, (table, *map(Text, perov5.statements(found))))


def trainings(material: Material) -> Section:
    """How the networks that come with the project were trained."""
    title, found = "How the published networks were trained", material.published.trainings
    if not found:
        return Section(title, (Text("Not run yet: make published-trainings PUBLISH=1 has left no result."),))
    caption = "The trainings of the networks that come with the project, by folder of weights"
    table = Table(caption, published_trainings.HEADER, published_trainings.rows(found))
    drawn = published_trainings.draw(found, material.folder / "trainings")
    alt = f"Losses over the epochs: {', '.join(found['losses'])}"
    figure = [Figure(material.folder / "trainings", published_trainings.caption(found), alt)] if drawn else []
    return Section(title, (table, *map(Text, published_trainings.statements(found)), *figure))


def over_seeds(material: Material) -> Section:
    """The headline numbers as mean and deviation, under captions that say which kind of seed they are over."""
    title, found = "Headline numbers over seeds", material.seeds
    if "seeds" in material.outdated:
        why = "the run's generator, its property networks' errors or its Table 5 are others by now"
        return Section(title, (Text(f"Out of date: {why}; run make seeds again."),))
    if not found:
        return Section(title, (Text("Not run yet: make seeds has left no result for this run."),))
    tables = (Table(part["caption"], seeds.HEADER, seeds.cells(part)) for part in seeds.parts(found))
    return Section(title, (*tables, *map(Text, seeds.statements(found))))


def figure_2(material: Material) -> Section:
    """The latent dimensions, lines between pairs of crystals, and the A-site along one of them."""

    def blocks(found: Stored) -> tuple[Block, ...]:
        figure2.render(found, material.folder / "figure2")
        alt = "Densities of the latent dimensions, slices of decoded maps along ten lines, elements on the A-site"
        figure = Figure(material.folder / "figure2", f"Figure 2: {figure2.CAPTION}", alt)
        rows = figure2.cells(found)
        table = [Table("Figure 2c: elements on the A-site", figure2.header(found), rows)] if rows else []
        return figure, Text(figure2.summary(found.facts)), *table

    title = "Figure 2: the latent space and lines through it"
    return _section(material, title, "figure2", blocks, differences.latent(material))


def figure_3(material: Material) -> Section:
    """The latent space in the plane."""

    def blocks(found: Stored) -> tuple[Block, ...]:
        figure3.render(found, material.folder / "figure3")
        alt = "Encoded structures in the plane, coloured by family and shaded by formation energy"
        caption = f"Figure 3: {figure3.summary(found.facts)} Darker shades: higher formation energies."
        return Figure(material.folder / "figure3", caption, alt), Text(figure3.NOTE)

    return _section(material, "Figure 3: t-SNE of the latent space", "figure3", blocks, differences.FIGURE3)


def figure_6(material: Material) -> Section:
    """What random sampling gives."""

    def blocks(found: dict) -> tuple[Block, ...]:
        figure6.render(found, material.folder / "figure6")
        alt = "Structure types, example crystals, formation energies, elements, and energies by the decile asked for"
        figure = Figure(material.folder / "figure6", f"Figure 6: {figure6.CAPTION}", alt)
        table = Table("Random samples", ("", "paper", "ours"), figure6.facts(found))
        crystals = ((one["formula"], f"Structure type {one['type']}.", one["file"]) for one in found["examples"])
        return table, figure, *viewer(material.folder, crystals, "The crystals of (b)"), Text(figure6.NOTE)

    title = "Figure 6: crystals sampled at random"
    return _section(material, title, "figure6", blocks, differences.at_random(material))


def figure_7(material: Material) -> Section:
    """Crystals of each family."""

    def blocks(found: dict) -> tuple[Block, ...]:
        figure7.render(found, material.folder / "figure7")
        if not found["crystals"]:
            return (Text("None of the samples became a valid crystal of one of the three families."),)
        alt = f"Generated unit cells of {', '.join(crystal['formula'] for crystal in found['crystals'])}"
        figure = Figure(material.folder / "figure7", f"Figure 7: {figure7.caption(found)}", alt)
        crystals = ((one["formula"], facts(one), one["file"]) for one in found["crystals"])
        return figure, *viewer(material.folder, crystals, "The crystals of Figure 7")

    return _section(material, "Figure 7: generated crystals of each family", "figure7", blocks, differences.FIGURE7)


def beyond_the_paper(material: Material) -> Section:
    """Uniqueness, novelty, symmetry, distances and densities."""

    def blocks(found: dict) -> tuple[Block, ...]:
        novelty.render(found, material.folder / "novelty")
        table = Table("Generated crystals", tuple(novelty.header(found)), novelty.facts(found))
        alt = "Shares of new crystals, space groups, smallest distances and densities"
        return table, Figure(material.folder / "novelty", novelty.CAPTION, alt), Text(found["note"])

    return _section(material, "Unique, new, symmetric: beyond the paper", "novelty", blocks)


def stable_and_new(material: Material) -> Section:
    """How many samples are stable, unique and new, before and after relaxation."""

    def blocks(found: dict) -> tuple[Block, ...]:
        return Table("Samples of each way", tuple(discovery.header(found)), discovery.facts(found)), Text(found["note"])

    return _section(material, "Stable, unique, new: beyond the paper", "discovery", blocks)


def density_slices(material: Material) -> Section:
    """Slices of true and reconstructed density maps."""

    def blocks(found: Stored) -> tuple[Block, ...]:
        slices.render(found, material.folder / "slices")
        alt = f"True and reconstructed density slices of {', '.join(found.facts['formulas'])}"
        return (Figure(material.folder / "slices", slices.caption(found), alt),)

    return _section(material, "Reconstructed density maps", "slices", blocks)
