"""The stage that writes the report: what was run, the paper beside us, tables, figures, crystals.

A section is a function from ``Material`` to ``Section``; to add one, write it and name it in ``SECTIONS``.
"""

from argparse import Namespace
from collections.abc import Callable

from data_prep.atomic import write_text
from experiments import figure4
from repro.reporting.document import Document, Figure, Section, Text, to_html, to_markdown
from repro.reporting.facts import hyperparameters, warnings, what_was_run
from repro.reporting.generated import generated
from repro.reporting.latent import figure_2, figure_3, table_5
from repro.reporting.losses import losses
from repro.reporting.material import Material, gather
from repro.reporting.properties import properties
from repro.reporting.results import absent, by_family, by_route, ceiling, paper_beside_us
from repro.reporting.samples import figure_6, figure_7, table_2, table_4, unlike
from repro.reporting.slices import slices
from repro.run import Run

INTRODUCTION = (
    "A reproduction of Court, Yildirim, Jain and Cole, “3-D Inorganic Crystal Structure Generation and Property "
    "Prediction via Representation Learning”, J. Chem. Inf. Model. 2020, doi:10.1021/acs.jcim.0c00464. A conditional "
    "variational autoencoder learns electron-density maps of cubic crystals, a 3-D UNet turns maps back into atoms, "
    "and crystal graph networks predict properties. Columns headed “paper” are what the paper prints; "
    "every other number was measured in this run."
)


def report(run: Run, options: Namespace) -> dict:
    """Write ``results/<run>/report.html`` and ``report.md`` from whatever the run has left so far.

    Nothing is trained or generated anew; only the slices of reconstructed maps are computed, once per
    trained VAE. A part that has not been run is named as such.
    """
    material = gather(run)
    document = compose(material)
    write_text(run.results / "report.html", to_html(document))
    write_text(run.results / "report.md", to_markdown(document))
    print(f"Report: {run.results / 'report.html'} and report.md")
    return {"sections": len(document.sections), "warnings": document.warnings}


def compose(material: Material) -> Document:
    """Return the whole report; draws its figures into the results folder on the way."""
    title = f"Crystals from a Cond-DFC-VAE: run {material.run.name}"
    sections = [section(material) for section in SECTIONS]
    return Document(title, INTRODUCTION, warnings(material), sections)


def figure_4(material: Material) -> Section:
    """Figure 4, drawn anew from the measured structures."""
    title = "Figure 4: errors of cell lengths and sites"
    if not material.measured:
        return absent(title, "evaluate")
    path = material.folder / "figure4"
    figure4.render(figure4.compute(material.measured), path)
    caption = (
        "Distributions of the absolute errors of (a to c) the cell lengths and (d) of the earth mover's distance "
        "between predicted and true sites, on held-out crystals. Solid lines: measured means; dashed: the paper's. "
        "The last bar holds whatever lies beyond the axis."
    )
    return Section(title, (Figure(path, caption, "Histograms of the errors of a, b, c and of the sites"),))


def deviations(material: Material) -> Section:
    """Where the choices that differ from the paper or from the authors' program are written down."""
    note = (
        "Where the paper, the authors' program and this reproduction differ, and which option restores the other "
        "behaviour, is listed in the README's table of deviations. Formation energies are predictions of the CGCNN, "
        "not of electronic-structure calculations; generated cells are not relaxed."
    )
    return Section("Deviations", (Text(note),))


SECTIONS: tuple[Callable[[Material], Section], ...] = (
    what_was_run,
    paper_beside_us,
    by_family,
    by_route,
    ceiling,
    table_5,
    figure_2,
    figure_3,
    figure_4,
    properties,
    losses,
    slices,
    generated,
    table_2,
    table_4,
    figure_6,
    figure_7,
    unlike,
    hyperparameters,
    deviations,
)
