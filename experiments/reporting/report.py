"""The report: what was run, the paper beside us, tables, figures, crystals.

A section is a function from ``Material`` to ``Section``; to add one, write it and name it in ``PARTS``.
"""

from collections.abc import Callable
from pathlib import Path

from data_prep.files.atomic import write_text
from experiments.reporting.document import Document, Part, Section
from experiments.reporting.evaluation_sections import (
    by_family,
    by_route,
    ceiling,
    figure_4,
    paper_beside_us,
    which_claims_hold,
)
from experiments.reporting.generated_crystals import generated
from experiments.reporting.losses import losses
from experiments.reporting.markup import to_html, to_markdown
from experiments.reporting.material import Material, gather
from experiments.reporting.property_sections import calibrated, figure_5, table_1
from experiments.reporting.run_facts import every_deviation, table_6, warnings, what_was_run
from experiments.reporting.stored_sections import (
    benchmark,
    beyond_the_paper,
    density_slices,
    figure_2,
    figure_3,
    figure_6,
    figure_7,
    over_seeds,
    stable_and_new,
    table_2,
    table_3,
    table_4,
    table_5,
    trainings,
)
from repro.locks import reading
from repro.run import Run
from repro.stages import finished_folders

INTRODUCTION = (
    "A reproduction of Court, Yildirim, Jain and Cole, “3-D Inorganic Crystal Structure Generation and Property "
    "Prediction via Representation Learning”, J. Chem. Inf. Model. 2020, doi:10.1021/acs.jcim.0c00464. A conditional "
    "variational autoencoder learns electron-density maps of cubic crystals, a 3-D UNet turns maps back into atoms, "
    "and crystal graph networks predict properties. Columns headed “paper” are what the paper prints; "
    "every other number was measured in this run, or in the run that its section names."
)


def from_run(run: Run) -> Document:
    """Return the report of whatever the run has left so far.

    Nothing is trained, generated or computed by a network; a part that has not been run is named as such. Raises
    InputError if another process is making one of the finished stages anew.
    """
    with reading(finished_folders(run)):
        return compose(gather(run))


def render(document: Document, path: Path) -> list[Path]:
    """Write the report as ``path``.html and ``path``.md; ``path`` has no suffix."""
    html, markdown = path.with_suffix(".html"), path.with_suffix(".md")
    write_text(html, to_html(document))
    write_text(markdown, to_markdown(document, path.parent))
    return [html, markdown]


def text(document: Document) -> str:
    """Return what the report warns of, if anything."""
    return "\n".join([f"Report of {len(document.sections)} sections.", *document.warnings])


def compose(material: Material) -> Document:
    """Return the whole report; draws its figures into the results folder on the way."""
    title = f"Crystals from a Cond-DFC-VAE: run {material.run.name}"
    parts = (Part(name, tuple(section(material) for section in sections)) for name, sections in PARTS.items())
    return Document(title, INTRODUCTION, warnings(material), tuple(parts))


PARTS: dict[str, tuple[Callable[[Material], Section], ...]] = {
    "Overview": (which_claims_hold, paper_beside_us, over_seeds, what_was_run),
    "Tables of the paper": (table_1, table_2, table_3, table_4, table_5, table_6),
    "Figures of the paper": (figure_2, figure_3, figure_4, figure_5, figure_6, figure_7),
    "Beyond the paper": (
        by_family,
        by_route,
        ceiling,
        density_slices,
        losses,
        trainings,
        generated,
        beyond_the_paper,
        stable_and_new,
        benchmark,
        calibrated,
        every_deviation,
    ),
}
