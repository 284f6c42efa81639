"""Middle slices of true and reconstructed density maps of held-out crystals, as in Figure 2b; beyond the paper."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_prep.box import BOX, MARGIN
from data_prep.crystal import FAMILIES
from experiments import style
from experiments.stored import Stored, of_networks
from repro.backend import start_backend
from repro.run import Run
from repro.training.dataset import Dataset, load_dataset, load_store

NETWORKS = ("generator",)
PER_FAMILY = 2
ROWS = {"true": "true", "ours": "ours", "released": "released VAE"}


def from_run(run: Run) -> Stored:
    """Return the slices of a run's VAE, computed if that is new and stored as ``slices.json`` and .npz."""
    return of_networks("slices", run, NETWORKS, compute)


def compute(run: Run) -> Stored:
    """Reconstruct a few held-out crystals and return middle slices (n, G, G) in electrons/Å^3 by model.

    Beside these ``arrays`` there are ``lengths`` (n, 3) in Å; ``facts`` holds ``ids`` and ``formulas``. Needs the run's
    trained VAE; the released one takes part if its weights are there.
    """
    start_backend()
    from models.released.vae_weights import (  # these import Keras, which only a new computation needs
        RELEASED_VAE,
        load_released_vae,
    )
    from repro.decoding.latents import trained_autoencoder
    from repro.generation.generator_folder import load_generator

    dataset, store = load_dataset(run), load_store(run)
    chosen = choose(dataset)
    crystals = [dataset.crystals[index] for index in chosen]
    true = store.maps(chosen)
    autoencoders = {"ours": load_generator(run.folder("generator")).autoencoder}
    if run.released_vae and store.grid == 32:
        autoencoders["released"] = trained_autoencoder(*load_released_vae(run.released_vae), RELEASED_VAE)
    middle = {"true": true[:, :, :, store.grid // 2, 0]}
    for name, autoencoder in autoencoders.items():
        numbers = [crystal.numbers for crystal in crystals]
        maps = autoencoder.reconstruct(true, dataset.condition(chosen), numbers).decoded.maps
        middle[name] = maps[:, :, :, store.grid // 2, 0]
    facts = {"ids": [crystal.id for crystal in crystals], "formulas": [crystal.formula for crystal in crystals]}
    return Stored(facts, middle | {"lengths": store.lengths[chosen]})


def choose(dataset: Dataset) -> np.ndarray:
    """Return the indices of a few held-out crystals of each family, spread evenly over the held-out part."""
    members = dataset.indices("test")
    chosen = []
    for family in FAMILIES:
        of_family = [index for index in members if dataset.crystals[index].family == family]
        places = np.linspace(0, len(of_family) - 1, PER_FAMILY + 2)[1:-1].round().astype(int)
        chosen += sorted({of_family[place] for place in places} if of_family else ())
    return np.array(chosen)


def text(found: Stored) -> str:
    """Return the formulas of the crystals."""
    return f"Slices: {', '.join(found.facts['formulas'])}."


def caption(found: Stored) -> str:
    """Return what the figure shows, in words."""
    return (
        f"Middle slices (the plane z = c/2) through the density maps of held-out crystals: "
        f"{', '.join(found.facts['formulas'])}. Each column has one scale, from 0 to the largest value of its true "
        "slice. The box reaches from -0.25 to 1.25 of the cell."
    )


def render(found: Stored, path: Path) -> list[Path]:
    """Draw a row per model and a column per crystal into ``path``.svg and .png; ``path`` has no suffix."""
    formulas, arrays = found.facts["formulas"], found.arrays
    rows = [name for name in ROWS if name in arrays]
    height = 0.4 + 1.15 * len(rows)
    with style.styled():
        drawing = Figure(figsize=(style.WIDTH, height))
        drawing.subplots_adjust(left=0.035, right=0.995, bottom=0.01, top=1 - 0.4 / height, wspace=0.05, hspace=0.05)
        grid = drawing.subplots(len(rows), len(formulas), squeeze=False)
        for panels, name in zip(grid, rows, strict=True):
            panels[0].set_ylabel(ROWS[name])
            for axes, image, shown, lengths in zip(
                panels, arrays[name], arrays["true"], arrays["lengths"], strict=True
            ):
                _draw(axes, image, shown.max(), lengths)
        for axes, formula, shown in zip(grid[0], formulas, arrays["true"], strict=True):
            axes.set_title(f"{formula}\n0 to {shown.max():.2g} e/Å$^3$")
        return style.save(drawing, path)


def _draw(axes: Axes, image: np.ndarray, top: float, lengths: np.ndarray) -> None:
    low, high = -MARGIN, BOX - MARGIN
    extent = (low * lengths[0], high * lengths[0], low * lengths[1], high * lengths[1])
    axes.imshow(image.T, origin="lower", extent=extent, cmap="cividis", vmin=0, vmax=top or 1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
