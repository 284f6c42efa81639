"""The report's sections on what was run: data, stages, budget, hyperparameters, deviations from the paper."""

import json
from dataclasses import astuple, replace

from experiments import deviations, paper, table6
from experiments.reporting.document import Section, Table, Text, duration, number
from experiments.reporting.material import MEASURED, Material, stale
from models.table6 import CGCNNParameters, UNetParameters, VAEParameters
from repro.presets import PAPER
from repro.stages import STAGES

_TRAININGS = {VAEParameters: "train-vae", UNetParameters: "train-unet", CGCNNParameters: "train-cgcnn"}
_NETWORKS = {"train-vae": "VAE", "train-unet": "UNet"}


def warnings(material: Material) -> list[str]:
    """Return what a reader must know before any number: short training, coarse grid, stale results."""
    return [*_short_training(material), *_reduced_data(material), *stale(material)]


def _short_training(material: Material) -> list[str]:
    seen = {}
    for name, network in _NETWORKS.items():
        stamp = material.stamps.get(name)
        if stamp is None:
            return [f"{name} has not ended: this report is of an unfinished run."]
        seen[network] = stamp["counts"]["samples"], _budget(stamp)
    if min(samples for samples, _ in seen.values()) >= paper.SAMPLES_SEEN / 2:
        return []
    ours = "; ".join(f"the {network} saw {samples:,} samples ({budget})" for network, (samples, budget) in seen.items())
    epoch = paper.SAMPLES_SEEN / paper.TEXT["vae_epochs"].value
    return [
        f"Short training, not the paper's: {ours}. The paper's networks saw about {paper.SAMPLES_SEEN:,} each "
        f"({paper.TEXT['vae_epochs'].value} epochs of {epoch:,.0f}). Read the numbers below as those of this budget."
    ]


def _budget(stamp: dict) -> str:
    epochs, batch = stamp["counts"]["epochs"], stamp["config"]["batch_size"]
    steps = stamp["counts"]["samples"] / max(epochs * batch, 1)
    crop = stamp["config"].get("crop")
    return f"{epochs} epochs × {steps:,.0f} steps × {batch}" + (f", crops of {crop}³ voxels" if crop else "")


def _reduced_data(material: Material) -> list[str]:
    found = []
    grid = material.stamps.get("voxelize", {}).get("config", {}).get("grid", PAPER.voxels.grid)
    if grid != PAPER.voxels.grid:
        found.append(f"The maps have {grid}³ voxels, the paper's {PAPER.voxels.grid}³: errors are not comparable.")
    left_out = material.stamps.get("data", {}).get("counts", {}).get("left out by the preset's limit", 0)
    if left_out:
        found.append(f"{left_out:,} usable crystals were left out by the preset's limit.")
    return found


def what_was_run(material: Material) -> Section:
    """Data, split and versions; then one row per stage."""
    return Section("What was run", (_facts(material), _stages(material)))


def _facts(material: Material) -> Table:
    run, stamp = material.run, material.stamps.get("data")
    rows = [("Run", run.name), ("Preset", run.preset.name), ("Source of the crystals", run.source_name)]
    if stamp is None:
        rows.append(("Data", "not read yet: run the stage data"))
    else:
        rows += _data_facts(stamp)
    for name, stamp in list(material.stamps.items())[-1:]:
        versions = ", ".join(f"{package} {version}" for package, version in stamp["versions"].items())
        rows += [("Last finished stage", f"{name}, {_when(stamp)} UTC"), ("Versions", versions)]
    return Table("Data and versions", ("", "this run"), rows)


def _data_facts(stamp: dict) -> list[tuple[str, str]]:
    counts, config = stamp["counts"], stamp["config"]
    rejected = counts["rejected"]
    reasons = ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in sorted(rejected.items()))
    parts = ", ".join(f"{part} {count:,}" for part, count in counts["parts"].items())
    families = ", ".join(f"{family} {count:,}" for family, count in sorted(counts["families"].items()))
    return [
        ("Crystals read", f"{counts['read']:,} (the paper sourced {paper.TEXT['sourced'].value:,})"),
        ("Crystals used", f"{counts['used']:,}"),
        ("Rejected", f"{sum(rejected.values()):,}" + (f" ({reasons})" if rejected else "")),
        ("Families", families),
        ("Elements", str(counts["elements"])),
        ("Split", f"by {config['split_by']}: {parts}"),
        ("Cell", config["cell"]),
        ("Seed", str(config["seed"])),
    ]


def _stages(material: Material) -> Table:
    rows = []
    for name in MEASURED:
        stamp = material.stamps.get(name)
        if stamp is None:
            state = "not finished" if name in material.histories else "not run"
            rows.append((name, state, "–", "–", "–", "–"))
            continue
        counts = stamp["counts"] if name.startswith("train-") else {}
        trained = sum(epoch.get("seconds", 0) for epoch in material.histories.get(name, []))
        seconds = max(stamp["seconds"], trained)  # a resumed training: the stamp knows the last sitting only
        sizes = (number(counts.get(key)) for key in ("parameters", "epochs", "samples"))
        rows.append((name, _when(stamp), duration(seconds), *sizes))
    return Table("Stages", ("stage", "finished (UTC)", "took", "parameters", "epochs", "samples seen"), rows)


def table_6(material: Material) -> Section:
    """Table 6 with a column for this run, and whatever else the run's preset changes."""
    rows = []
    for row in table6.compute():
        owner, field = table6.FIELDS[row.parameter]
        used = material.stamps.get(_TRAININGS[owner], {}).get("config", {}).get(field)
        rows.append((row.parameter, f"{row.paper:g}", f"{row.ours:g}", "–" if used is None else f"{used:g}"))
    table = Table("Table 6, hyperparameters", ("parameter", "paper", "our default", "this run"), rows)
    changed = _changed(material)
    note = "Besides Table 6, this run keeps to every setting of the preset 'paper'."
    more = Table(
        "Settings of this run that differ from the preset 'paper'", ("setting", "paper preset", "this run"), changed
    )
    return Section("Table 6: hyperparameters", (table, more if changed else Text(note)))


def every_deviation(_: Material) -> Section:
    """Every choice that differs from the paper or from the authors' program."""
    rows = [tuple(cell.replace("`", "") for cell in astuple(row)) for row in deviations.DEVIATIONS]
    note = (
        "F-numbers are findings of our measurements on the authors' released weights and data. Formation energies are "
        "predictions of the CGCNN, not of electronic-structure calculations; generated cells are not relaxed except in "
        "Table 3."
    )
    return Section("Deviations", (Table("Every choice of ours", deviations.HEADER, rows), Text(note)))


def _when(stamp: dict) -> str:
    return stamp["finished"][:16].replace("T", " ")


def _changed(material: Material) -> list[tuple[str, str, str]]:
    reference = replace(material.run, preset=PAPER, source="embedded")
    rows = []
    for name, stamp in material.stamps.items():
        expected = json.loads(json.dumps(STAGES[name].config(reference)))
        rows += [
            (f"{name}: {key}", str(expected.get(key, "–")), str(value))
            for key, value in stamp["config"].items()
            if key not in ("source", "content") and expected.get(key) != value
        ]
    return rows
