"""The report's section on the trainings: every loss term over the epochs."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from experiments import style
from experiments.reporting.document import Figure, Section, absent
from experiments.reporting.material import Material

HELD_OUT = "val_"
_COLUMNS = 3
_NETWORKS = {"train-unet": "UNet", "train-vae": "VAE", "train-cgcnn": "CGCNN"}
_LABELS = {
    ("train-vae", "kld"): "KLD (nats)",
    ("train-vae", "mse"): "MSE",
    ("train-vae", "density_mse"): "MSE of the density",
    ("train-cgcnn", "loss"): "MAE (eV/atom)",
}


def losses(material: Material) -> Section:
    """Loss curves of every training that has ended at least one epoch."""
    title = "Losses"
    if not material.histories:
        return absent(title, "train-unet")
    path = material.folder / "losses"
    render(compute(material.histories), path)
    caption = (
        "Every loss term over the epochs: on the training part (solid, mean over the epoch) and on the validation part "
        f"(dashed, at its end). An axis is logarithmic if its values span more than a factor of {style.LOGARITHMIC}."
    )
    return Section(title, (Figure(path, caption, "Loss curves of " + ", ".join(material.histories)),))


def compute(histories: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Return network -> term -> {"train", "validation"} -> one value per epoch; no idle terms."""
    curves = {}
    for name, history in histories.items():
        terms = [key for key in history[0] if HELD_OUT + key in history[0] and any(epoch[key] for epoch in history)]
        terms.sort(key=lambda term: term != "loss")  # the whole before its parts
        curves[name] = {
            term: {
                "train": [epoch[term] for epoch in history],
                "validation": [epoch[HELD_OUT + term] for epoch in history],
            }
            for term in terms
        }
    return curves


def render(curves: dict[str, dict[str, dict[str, list[float]]]], path: Path) -> None:
    """Draw one panel per network and term into ``path``.svg and .png."""
    panels = [(name, term, values) for name, terms in curves.items() for term, values in terms.items()]
    rows = -(-len(panels) // _COLUMNS)
    with style.styled():
        drawing = Drawing(figsize=(style.WIDTH, 1.75 * rows))
        drawing.subplots_adjust(
            left=0.07, right=0.99, bottom=0.22 / rows, top=1 - 0.18 / rows, wspace=0.24, hspace=0.62
        )
        for place, (name, term, values) in enumerate(panels, start=1):
            axes = drawing.add_subplot(rows, _COLUMNS, place)
            _draw(axes, values)
            axes.set_title(f"{_NETWORKS.get(name, name)}: {_LABELS.get((name, term), term.replace('_', ' '))}")
        drawing.axes[0].legend(frameon=False)
        style.save(drawing, path)


def _draw(axes: Axes, values: dict[str, list[float]]) -> None:
    epochs = range(1, len(values["train"]) + 1)
    marker = "." if len(epochs) < 3 else None  # a line of one point is not seen
    axes.plot(epochs, values["train"], color=style.OURS, marker=marker, label="training")
    axes.plot(epochs, values["validation"], color=style.ORANGE, linestyle="--", marker=marker, label="validation")
    style.over_epochs(axes, [*values["train"], *values["validation"]])
