"""How the networks that come with the project were trained: machine, samples, time, energy, and losses per epoch.

Read from ``training.json`` and ``history.csv`` beside the weights; what was not recorded stays a dash.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_prep.errors import InputError
from data_prep.files.json_files import read_json
from data_prep.property_labels import PROPERTIES
from experiments import style
from experiments.drawing import PALETTE
from experiments.tables import markdown, shown, write_table
from repro.backend import start_backend
from repro.network_folders import WEIGHTS, parameters_from_json, read_manifest
from repro.presets import PRESETS
from repro.run import Run
from repro.training.training_record import HISTORY, RECORD, WATTS, kilowatt_hours

HEADER = (
    "networks", "preset", "seed", "machine", "epochs", "samples", "minutes", "PFLOP, estimate", "kWh, estimate",
    "finished", "commit",
)  # fmt: skip
NOTE = (
    "A dash: not recorded. Estimates: three times the operations of the forward pass (convolutions and dense layers) "
    f"times the samples; minutes times {WATTS['cores']:g} W a core or {WATTS['gpu']:g} W a card, both assumed, and two "
    "cores if the machine is not known. Time and epochs of a property network that began from another one are without "
    "those in which its graph layers were frozen."
)
_NETWORKS = {"train-unet": "UNet", "train-vae": "VAE"}
_PANEL, _LINE, _GAP = 1.7, 0.14, 0.7  # inches: height of a panel, of a line of its legend, and of the rest below it
_COLUMNS = 3


def from_run(_: Run) -> dict:
    """Return the trainings of the networks that come with the project, whatever the run."""
    return compute(WEIGHTS)


def compute(weights: Path) -> dict:
    """Return ``trainings``, a row each; ``remarks`` by folder; ``losses``: folder -> network -> part -> one per epoch.

    Networks of one folder whose training was not recorded share a row of None. Raises InputError naming a record or a
    history that is damaged, or if there is no record in any folder of ``weights``.
    """
    found: dict[str, Any] = {"trainings": [], "remarks": {}, "losses": {}}
    for folder in sorted(path.parent for path in weights.glob(f"*/{RECORD}")):
        try:
            for stage, record in read_json(folder / RECORD, "clone the project").items():
                found["trainings"] += _trainings(folder, stage, record)
                if "remark" in record:
                    found["remarks"][folder.name] = record["remark"]
            if losses := _losses(folder / HISTORY):
                found["losses"][folder.name] = losses
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise InputError(
                f"{folder / RECORD} or {HISTORY} is damaged ({reason}): clone the project again, or publish again."
            ) from error
    if not found["trainings"]:
        raise InputError(f"{weights} has no folder with a {RECORD}: clone the project again.")
    return found


def _trainings(folder: Path, stage: str, record: dict) -> list[dict]:
    """Return a row for each recorded training of a stage, and one for all networks of the folder without a record."""
    counts, machine = record["counts"], record["machine"] or {}
    of_all = {"folder": folder.name, "preset": record["preset"]}
    facts = {"card": counts.get("card") or machine.get("gpu"), "cores": machine.get("cores")}
    facts |= {name: record[name] for name in ("finished", "commit")}
    if "networks" not in counts:
        flop = _training_flop(stage, read_manifest(folder), counts["samples"])
        row = {"networks": [stage], "seed": record["seed"], "kwh": record["kwh_estimate"], "flop": flop}
        return [of_all | facts | row | {name: counts[name] for name in ("epochs", "samples", "seconds")}]
    rows = []
    for name, network in counts["networks"].items():
        if network["epochs"]:
            row = {"networks": [name], "samples": None, "flop": None}
            row |= {key: network[key] for key in ("seed", "epochs", "seconds")}
            rows.append(of_all | facts | row | {"kwh": kilowatt_hours(network["seconds"], machine, facts["card"])})
    if others := [name for name, network in counts["networks"].items() if not network["epochs"]]:
        nothing = ("seed", "card", "cores", "epochs", "samples", "seconds", "flop", "kwh", "finished", "commit")
        rows.append(of_all | {"networks": others} | dict.fromkeys(nothing))
    return rows


def _training_flop(stage: str, manifest: dict, samples: int) -> int | None:
    """Return about how many operations a training took.

    None if a perceptual model, which is not counted, took part, or if nothing tells how large the maps of a UNet were.
    """
    start_backend()
    from repro.bench.flop import forward_flop, training_flop  # these import Keras, which only a new computation needs
    from repro.training.train_unet import build_segmenter
    from repro.training.train_vae import build_vae

    if stage == "train-unet":
        grid = manifest["unet_training"]["crop"] or _grid(manifest)
        if grid is None:
            return None
        layers = build_segmenter(parameters_from_json(manifest["unet"]), manifest["radii"], grid).layers
    else:
        parameters = parameters_from_json(manifest["vae"])
        if parameters.alpha:
            return None
        vae = build_vae(parameters, manifest["voxels"]["grid"])
        layers = [*vae.encoder.layers, *vae.decoder.layers]
    return training_flop(forward_flop(layers)) * samples


def _grid(manifest: dict) -> int | None:
    """Return the edge of the maps in voxels; earlier versions stored no more of a UNet than the name of its preset."""
    if "voxels" in manifest:
        return manifest["voxels"]["grid"]
    preset = PRESETS.get(manifest.get("preset", ""))
    return preset.voxels.grid if preset else None


def _losses(path: Path) -> dict[str, dict[str, list[float]]]:
    """Return network -> "training" and "validation" -> the whole loss of each epoch; none without a history."""
    if not path.exists():
        return {}
    found: dict[str, dict[str, list[float]]] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            parts = found.setdefault(row["network"], {"training": [], "validation": []})
            parts["training"].append(float(row["loss"]))
            parts["validation"].append(float(row["val_loss"]))
    return found


def title_of(network: str) -> str:
    """Return what a network is called in words: VAE, band gap, formation energy 2."""
    name, _, member = network.partition("-")
    return _NETWORKS.get(network) or f"{PROPERTIES[name].title} {member}".strip()


def rows(found: dict) -> list[tuple[str, ...]]:
    """Return the trainings as text under ``HEADER``."""
    return [_cells(row) for row in found["trainings"]]


def _cells(row: dict) -> tuple[str, ...]:
    names = row["networks"]
    who = title_of(names[0]) if len(names) == 1 else f"{len(names)} others"
    minutes, peta = (None if row[key] is None else row[key] / unit for key, unit in (("seconds", 60), ("flop", 1e15)))
    return (
        f"{row['folder']}: {who}", row["preset"], shown(row["seed"], 0), _machine(row), shown(row["epochs"], 0),
        shown(row["samples"], 0), shown(minutes, 1), shown(peta, 2), shown(row["kwh"], 3),
        (row["finished"] or "–")[:10], (row["commit"] or "–")[:7],
    )  # fmt: skip


def _machine(row: dict) -> str:
    if row["card"]:
        return row["card"]
    return "–" if row["cores"] is None else f"{row['cores']} core{'s' if row['cores'] > 1 else ''}"


def statements(found: dict) -> list[str]:
    """Return what is known beyond the table, a paragraph for each folder or several, and how the estimates are made."""
    folders: dict[str, list[str]] = {}
    for folder, remark in found["remarks"].items():
        folders.setdefault(remark, []).append(folder)
    return [*(f"{' and '.join(names)}: {remark}" for remark, names in folders.items()), NOTE]


def text(found: dict) -> str:
    """Return the table in Markdown, and what is known beyond it."""
    return "\n\n".join([markdown(HEADER, rows(found)), *statements(found)])


def caption(found: dict) -> str:
    """Return what the figure shows, in words, and whose losses were not kept."""
    kept = set(found["losses"])
    lost = sorted({row["folder"] for row in found["trainings"]} - kept)
    nothing = f" Those of {' and '.join(lost)} were not kept." if lost else ""
    return (
        "The whole loss over the epochs, on the training part (solid) and on the validation part (dashed): of a "
        "property network the mean absolute error of the standardised property, of a VAE the weighted sum of its "
        f"terms.{nothing}"
    )


def render(found: dict, path: Path) -> list[Path]:
    """Write ``path``.json and .md, and if there are losses .svg and .png; ``path`` has no suffix."""
    return [*write_table(path, found, text(found)), *draw(found, path)]


def draw(found: dict, path: Path) -> list[Path]:
    """Draw the losses, a panel for each folder of weights, into ``path``.svg and .png; nothing without losses."""
    panels = found["losses"]
    if not panels:
        return []
    lines = max(map(len, panels.values()))
    down = -(-len(panels) // _COLUMNS)
    below = _GAP + _LINE * lines
    height = down * (_PANEL + below)
    with style.styled():
        drawing = Figure(figsize=(style.WIDTH, height))
        drawing.subplots_adjust(
            left=0.08, right=0.99, bottom=(below - 0.2) / height, top=1 - 0.2 / height, wspace=0.2,
            hspace=below / _PANEL,
        )  # fmt: skip
        for place, (folder, losses) in enumerate(panels.items(), start=1):
            axes = drawing.add_subplot(down, _COLUMNS, place)
            _draw_panel(axes, losses)
            axes.set_title(folder)
            if place % _COLUMNS == 1:
                axes.set_ylabel("loss (dashed: validation)")
        return style.save(drawing, path)


def _draw_panel(axes: Axes, losses: dict[str, dict[str, Sequence[float]]]) -> None:
    for place, (network, parts) in enumerate(losses.items()):
        colour, epochs = PALETTE[place % len(PALETTE)], range(1, len(parts["training"]) + 1)
        marker = "." if len(epochs) < 3 else None  # a line of one point is not seen
        axes.plot(epochs, parts["training"], color=colour, marker=marker, label=title_of(network))
        axes.plot(epochs, parts["validation"], color=colour, marker=marker, linestyle="--")
    style.over_epochs(axes, [value for parts in losses.values() for part in parts.values() for value in part])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), frameon=False, labelspacing=0.2)
