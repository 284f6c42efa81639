"""The report's section on reconstructions: middle slices of true and reconstructed density (as in Figure 2b)."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from data_prep.box import BOX, MARGIN
from data_prep.conditions import one_hot
from data_prep.crystal import FAMILIES
from data_prep.errors import InputError
from data_prep.files.atomic import replacing
from data_prep.files.npz import DamagedNpz, read_npz
from experiments import style
from experiments.reporting.document import Figure, Section
from experiments.reporting.material import Material
from experiments.reporting.results import absent
from repro.backend import start_backend
from repro.run import Run
from repro.training.dataset import Dataset, load_dataset, load_store

PER_FAMILY = 2
ROWS = {"true": "true", "ours": "ours", "released": "released VAE"}


def slices(material: Material) -> Section:
    """Slices of a few held-out crystals, drawn from ``slices.npz``, which is computed only when it is out of date."""
    title = "Reconstructed density maps"
    stored = material.folder / "slices.npz"
    identity = material.stamps.get("train-vae", {}).get("identity")
    arrays = read(stored)
    if identity and (arrays is None or str(arrays["identity"]) != identity):
        arrays = compute(material.run, identity)
        write(stored, arrays)
    if arrays is None:
        return absent(title, "train-vae")
    path = material.folder / "slices"
    render(arrays, path)
    formulas = ", ".join(arrays["formulas"])
    caption = (
        f"Middle slices (the plane z = c/2) through the density maps of held-out crystals: {formulas}. Each column has "
        "one scale, from 0 to the largest value of its true slice. The box reaches from -0.25 to 1.25 of the cell."
    )
    return Section(title, (Figure(path, caption, f"True and reconstructed density slices of {formulas}"),))


def compute(run: Run, identity: str) -> dict[str, np.ndarray]:
    """Reconstruct a few held-out crystals and return middle slices (n, G, G) in electrons/Å^3 by model.

    Beside them ``ids``, ``formulas``, ``lengths`` (n, 3) in Å and the ``identity`` of the VAE's training.
    Needs the run's trained VAE; the released one takes part where its weights are there.
    """
    start_backend()
    from data_prep.voxelize import input_maps
    from models.released.vae_weights import load_released_vae  # these import Keras, which only a new computation needs
    from repro.decoding.latents import reconstruct
    from repro.training.train_vae import trained_vae

    dataset, store = load_dataset(run), load_store(run)
    chosen = choose(dataset)
    lengths = store.lengths[chosen]
    true = np.stack([input_maps(store.density(index), store.lengths[index]) for index in chosen])
    condition = one_hot(dataset.bins[chosen], len(dataset.edges) + 1)
    vaes = {"ours": trained_vae(run)}
    if run.released_vae and store.grid == 32:
        vaes["released"] = load_released_vae(run.released_vae)
    middle = {"true": true[:, :, :, store.grid // 2, 0]}
    crystals = [dataset.crystals[index] for index in chosen]
    for name, vae in vaes.items():
        maps = reconstruct(vae, true, condition, [crystal.numbers for crystal in crystals]).maps
        middle[name] = maps[:, :, :, store.grid // 2, 0]
    names = {"ids": [crystal.id for crystal in crystals], "formulas": [crystal.formula for crystal in crystals]}
    return middle | {key: np.array(value) for key, value in names.items()} | {"lengths": lengths, "identity": identity}


def choose(dataset: Dataset) -> np.ndarray:
    """Return the indices of a few held-out crystals of each family, spread evenly over the held-out part."""
    members = dataset.indices("test")
    chosen = []
    for family in FAMILIES:
        of_family = [index for index in members if dataset.crystals[index].family == family]
        places = np.linspace(0, len(of_family) - 1, PER_FAMILY + 2)[1:-1].round().astype(int)
        chosen += sorted({of_family[place] for place in places} if of_family else ())
    return np.array(chosen)


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the slices to an NPZ file."""
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read(path: Path) -> dict[str, np.ndarray] | None:
    """Return the stored slices, or None when there are none; raises InputError when the file is damaged."""
    if not path.exists():
        return None
    try:
        return read_npz(path)
    except DamagedNpz as error:
        raise InputError(f"{path} is damaged ({error}): remove it and run the report again.") from error


def render(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Draw a row per model and a column per crystal into ``path``.svg and .png."""
    rows = [name for name in ROWS if name in arrays]
    count = len(arrays["formulas"])
    with style.styled():
        drawing = Drawing(figsize=(style.WIDTH, 0.4 + 1.15 * len(rows)))
        drawing.subplots_adjust(
            left=0.035, right=0.995, bottom=0.01, top=1 - 0.4 / (0.4 + 1.15 * len(rows)), wspace=0.05, hspace=0.05
        )
        grid = drawing.subplots(len(rows), count, squeeze=False)
        for panels, name in zip(grid, rows, strict=True):
            panels[0].set_ylabel(ROWS[name])
            for axes, image, shown, lengths in zip(
                panels, arrays[name], arrays["true"], arrays["lengths"], strict=True
            ):
                _draw(axes, image, shown.max(), lengths)
        for axes, formula, shown in zip(grid[0], arrays["formulas"], arrays["true"], strict=True):
            axes.set_title(f"{formula}\n0 to {shown.max():.2g} e/Å$^3$")
        style.save(drawing, path)


def _draw(axes: Axes, image: np.ndarray, top: float, lengths: np.ndarray) -> None:
    low, high = -MARGIN, BOX - MARGIN
    extent = (low * lengths[0], high * lengths[0], low * lengths[1], high * lengths[1])
    axes.imshow(image.T, origin="lower", extent=extent, cmap="cividis", vmin=0, vmax=top or 1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
