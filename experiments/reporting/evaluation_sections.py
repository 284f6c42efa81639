"""The report's sections on what was measured: the claims, the paper beside us, Figure 4, families, routes, ceiling."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from data_prep.property_labels import FORMATION_ENERGY
from experiments import claims, figure4
from experiments.paper import FULL, TABLE1, TEXT
from experiments.reporting import differences
from experiments.reporting.document import Figure, Section, Table, Text, absent, number, percent, ranged
from experiments.reporting.material import Material
from experiments.stored import Stored
from repro import stamps
from repro.evaluation.results import OURS, PAPERS_WAY, RELEASED, TRUE_SPECIES, Evaluation

NAMES = {OURS: "ours", RELEASED: "released VAE"}
SLACK = 5  # seconds that one sitting's two stamps may lie farther apart than the work took
_CLAIMED = ("table2", "table3", "table3_dft", "table4", "figure2", "figure3", "figure6")


def which_claims_hold(material: Material) -> Section:
    """Every claim with the paper's number and ours, from what the run has stored; also written to ``claims.json``."""
    results = {name: material.found.get(name) for name in _CLAIMED}
    results = {name: found.facts if isinstance(found, Stored) else found for name, found in results.items()}
    results |= {
        "evaluation": material.evaluation.summary,
        "structures": material.evaluation.structures,
        "table1": material.ranking,
        "table5": material.table5,
        "generate": in_one_sitting(material.run.folder("generate"), material.stamps.get("generate")),
    }
    found = claims.compute({name: result for name, result in results.items() if result})
    claims.render(found, material.folder / "claims")
    table = Table("The paper's claims", claims.HEADER, claims.cells(found))
    return Section("Which of the paper's claims hold", (Text(claims.summary(found)), table, Text(found["note"])))


def in_one_sitting(folder: Path, stamp: dict | None) -> dict | None:
    """Return a stage's stamp, None if the stage was resumed: its seconds are then those of the last sitting only.

    Its other stamp was written when the first sitting began.
    """
    begun = folder / stamps.STARTED
    if not stamp or not begun.exists():
        return stamp
    elapsed = datetime.fromisoformat(stamp["finished"]).timestamp() - begun.stat().st_mtime
    return stamp if elapsed <= stamp["seconds"] + SLACK else None


def paper_beside_us(material: Material) -> Section:
    """Every measured quantity in one row: the paper's value, ours, and that of the released weights."""
    title = "The paper beside us"
    if not material.evaluation.summary:
        return absent(title, "evaluate")
    rows = [
        *_rows_of_the_vae(material.evaluation),
        *_rows_of_the_unet(material.evaluation),
        *_rows_of_the_sites(material.evaluation),
        *_rows_of_the_cgcnn(material),
    ]
    columns = ("quantity, on held-out crystals", "paper", *(NAMES[model] for model in material.evaluation.models))
    note = (
        "Brackets hold 95 % bootstrap intervals over the structures. MSE is the mean over all voxels and the four "
        "channels; sites are those of the reconstructed maps with species from the UNet, the paper's way; EMD and "
        "|ΔN| are means over the structures that could be decoded, shares are of all. The cell lengths are the "
        "least-squares slopes of the coordinate channels; the release's own formula stands below them. The paper "
        "does not define its non-zero recall: the release counts a voxel when its true element has a probability "
        "above 0.5. A dash is a quantity that the paper does not give or that was not measured."
    )
    return Section(
        title,
        (Table("Reconstruction, segmentation and properties", columns, rows), Text(note)),
        differences.reconstruction(material),
    )


def _rows_of_the_vae(evaluation: Evaluation) -> list[tuple[str, ...]]:
    def row(name: str, printed: str, value: Callable[[dict], str]) -> tuple[str, ...]:
        return name, printed, *(value(evaluation.vae(model)) for model in evaluation.models)

    rows = [
        row("structures", f"{TEXT['validation_structures'].value:,}", lambda part: number(part["count"])),
        row("VAE, MSE", f"{FULL.mse:g}", lambda part: _with_interval(part, "mse")),
        row("VAE, MSE of the density channel", "–", lambda part: _with_interval(part, "density_mse")),
        row("VAE, KLD (nats)", "O(10²)", lambda part: _with_interval(part, "kld")),
    ]
    for axis, name in enumerate("abc"):
        printed = f"{TEXT[f'{name}_mae'].value:.2f}"
        rows.append(row(f"|Δ{name}| (Å)", printed, lambda part, axis=axis: _axis(part, "lattice_error", axis)))
    for axis, name in enumerate("abc"):
        formula = f"|Δ{name}| (Å), the release's formula"
        rows.append(row(formula, "–", lambda part, axis=axis: _axis(part, "lattice_error_minmax", axis)))
    return rows


def _rows_of_the_unet(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """The UNet is ours in every column; it is measured on the true maps, so the others get a dash."""
    unet = evaluation.unet
    values = {
        "UNet, non-zero recall (probability above 0.5)": (f"{FULL.recall} %", unet.get("nonzero_recall")),
        "UNet, non-zero recall (most probable element)": ("–", unet.get("nonzero_recall_argmax")),
        "UNet, F1 (all classes, weighted; the second head's mask, F43)": (
            f"{TEXT['unet_f1'].value} %",
            unet.get("f1_masked"),
        ),
    }
    blank = ("–",) * (len(evaluation.models) - 1)
    return [(name, printed, percent(value), *blank) for name, (printed, value) in values.items()]


def _rows_of_the_sites(evaluation: Evaluation) -> list[tuple[str, ...]]:
    nothing = {"count": 0, "decoded": 0}
    parts = [evaluation.sites(model, PAPERS_WAY) or nothing for model in evaluation.models]
    return [
        ("structures decoded", "–", *(f"{part['decoded']:,} of {part['count']:,}" for part in parts)),
        ("EMD of the sites (Å)", f"{FULL.emd:.3f}", *(_with_interval(part, "emd") for part in parts)),
        ("|ΔN| (sites per cell)", f"{FULL.delta_n:.3f}", *(_with_interval(part, "delta_n") for part in parts)),
        ("sites with the right species", "–", *(_share(part, "species_right") for part in parts)),
        ("all sites and species right", "–", *(_share(part, "exact_fraction") for part in parts)),
    ]


def _rows_of_the_cgcnn(material: Material) -> list[tuple[str, ...]]:
    rows = material.ranking.get("rows", [])
    found = [row for row in rows if row["property"] == FORMATION_ENERGY]
    ours = f"{number(found[0]['mae'])} (guessing the mean: {number(found[0]['baseline_mae'])})" if found else "–"
    blank = ("–",) * (len(material.evaluation.models) - 1)
    return [("CGCNN, formation energy MAE (eV/atom)", f"{TABLE1[0].mae:g}", ours, *blank)]


def _with_interval(part: dict, name: str) -> str:
    return ranged(part.get(name), part.get(f"{name}_interval"))


def _share(part: dict, name: str) -> str:
    return percent(part.get(name) if part.get("count") else None, part.get(f"{name}_interval"))


def _axis(part: dict, name: str, axis: int) -> str:
    if name not in part:
        return "–"
    intervals = part.get(f"{name}_interval")
    return ranged(part[name][axis], intervals[axis] if intervals else None)


def figure_4(material: Material) -> Section:
    """The errors of the cell lengths and of the sites."""
    title = "Figure 4: errors of cell lengths and sites"
    if not material.evaluation.structures:
        return absent(title, "evaluate")
    figure4.render(figure4.compute(material.evaluation), material.folder / "figure4")
    caption = (
        "Distributions of the absolute errors of (a to c) the cell lengths and (d) of the earth mover's distance "
        "between predicted and true sites, on held-out crystals. Solid lines: measured means; dashed: the paper's. "
        "The last bar holds whatever lies beyond the axis."
    )
    alt = "Histograms of the errors of a, b, c and of the sites"
    figure = Figure(material.folder / "figure4", f"Figure 4: {caption}", alt)
    return Section(title, (figure,), differences.reconstruction(material))


def by_family(material: Material) -> Section:
    """The same errors for each family."""
    title, evaluation = "By family", material.evaluation
    if not evaluation.summary:
        return absent(title, "evaluate")
    rows = [
        _family_row(f"{group}, {NAMES[model]}", part, evaluation.sites(model, PAPERS_WAY, group))
        for model in evaluation.models
        for group, part in evaluation.vae_groups(model).items()
    ]
    columns = (
        "family", "structures", "decoded", "MSE", "density MSE", "KLD", "|Δa|", "|Δb|", "|Δc|", "EMD", "|ΔN|",
        "all right",
    )  # fmt: skip
    return Section(title, (Table("Lengths and distances in Å; families by stoichiometry", columns, rows),))


def _family_row(name: str, part: dict, sites: dict) -> tuple[str, ...]:
    vae = (_with_interval(part, key) for key in ("mse", "density_mse", "kld"))
    lengths = (_axis(part, "lattice_error", axis) for axis in range(3))
    found = (_with_interval(sites, key) for key in ("emd", "delta_n"))
    counts = (number(count) for count in (part.get("count"), sites.get("decoded")))
    return (name, *counts, *vae, *lengths, *found, _share(sites, "exact_fraction"))


def by_route(material: Material) -> Section:
    """Where the errors come from: each way from a map to atoms, with what could not be decoded and why."""
    title = "From maps to atoms, by route"
    if not material.evaluation.summary:
        return absent(title, "evaluate")
    note = (
        "A route names the map and where the species come from. True map: the crystal's own density, so that only "
        "the decoding errs; ours, released: the reconstruction by that VAE. vote: the most probable element of each "
        "region, the paper's way; fit: one Gaussian per region, and the element whose amplitude and width agree best; "
        "composition: the known structure type, or the fit, that agrees with the composition which the latent gives."
    )
    routes = material.evaluation.routes
    rows = [(name, *_route_cells(groups["all"])) for name, groups in routes.items() if name != TRUE_SPECIES]
    columns = ("route", "decoded", "EMD (Å)", "|ΔN|", "species right", "all right", "not decoded because")
    return Section(title, (Text(note), Table("All held-out crystals measured", columns, rows)))


def _route_cells(part: dict) -> tuple[str, ...]:
    failures = ", ".join(f"{reason} {count:,}" for reason, count in sorted(part["failures"].items()))
    shares = (_share(part, key) for key in ("species_right", "exact_fraction"))
    decoded = f"{part['decoded']:,} of {part['count']:,}"
    return (decoded, _with_interval(part, "emd"), _with_interval(part, "delta_n"), *shares, failures or "–")


def ceiling(material: Material) -> Section:
    """What the representation itself allows, were every network perfect."""
    title = "Ceiling of the representation"
    groups = material.evaluation.routes.get(TRUE_SPECIES)
    if not groups:
        return absent(title, "evaluate")
    note = (
        "The true species maps, cut into connected regions and turned back into atoms: no network takes part. "
        "It is what faultless labels of these voxels give."
    )
    rows = [(family, *_route_cells(part)) for family, part in groups.items()]
    columns = ("family", "decoded", "EMD (Å)", "|ΔN|", "species right", "all right", "not decoded because")
    return Section(title, (Text(note), Table("True species maps", columns, rows)))
