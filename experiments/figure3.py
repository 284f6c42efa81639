"""Figure 3: the latent space in the plane, by family and formation energy."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from data_prep.crystal import FAMILIES
from data_prep.errors import InputError
from experiments import latent_space, style
from experiments.paper import TEXT
from experiments.stored import Stored, of_networks
from repro.run import Run

PERPLEXITY = 30.0  # not in the paper: scikit-learn's default
SHOWN = (2, 98)  # percentiles of formation energy between which the shade varies
_LOOKS = {  # family: marker, and the colours of low, middle and high formation energy
    "AB": ("o", ("#c6dbef", style.BLUE, "#002b45")),
    "ABX3": ("^", ("#fdd9c4", style.VERMILION, "#4f2200")),
    "ABX2": ("s", ("#c5ebdd", style.GREEN, "#00382a")),
}
NOTE = (
    "Silhouette: for each structure (b - a) / max(a, b), where a is the mean distance to its own family and b that to "
    "the nearest other one; 1 is well apart, 0 overlapping, below 0 nearer to another family. In the latent space: "
    "Euclidean distances of the encoder's means."
)


def from_run(run: Run) -> Stored:
    """Return Figure 3 of a run's VAE, computed if that is new and stored as ``figure3.json`` and .npz."""
    return of_networks("figure3", run, latent_space.NETWORKS, compute)


def compute(run: Run) -> Stored:
    """Return the t-SNE of the run's encoded training structures, from the VAE's trained encoder."""
    return embed(latent_space.encoded(run), run.preset.seed)


def embed(crystals: Stored, seed: int) -> Stored:
    """Return ``plane`` (n, 2) by t-SNE of the encoder's means, and the silhouettes of the families as ``facts``.

    Beside it ``ids``, ``formulas``, ``families`` (n,) and ``energies`` (n,) in eV/atom. Raises InputError if there
    are fewer than three structures.
    """
    from sklearn.manifold import TSNE  # takes seconds to import, which only a new computation needs
    from threadpoolctl import threadpool_limits

    mean, families = crystals.arrays["mean"], crystals.arrays["families"]
    if len(mean) < 3:
        raise InputError(f"{len(mean)} encoded structures are too few to be embedded in the plane: take more data.")
    perplexity = min(PERPLEXITY, (len(mean) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    with threadpool_limits(1):  # threads that wait for each other on a busy machine cost a hundred times as much
        plane = tsne.fit_transform(np.asarray(mean, dtype=np.float32)).astype(np.float64)
    facts = {
        "structures": len(mean),
        "families": {family: int((families == family).sum()) for family in FAMILIES},
        "silhouette": {"latent": silhouettes(mean, families), "plane": silhouettes(plane, families)},
        "divergence": float(tsne.kl_divergence_),
        "perplexity": perplexity,
        "seed": seed,
        "paper": {"structures": TEXT["tsne_structures"].value},
        "note": NOTE,
    }
    kept = ("ids", "formulas", "families", "energies")
    return Stored(facts, {"plane": plane} | {name: crystals.arrays[name] for name in kept})


def silhouettes(points: np.ndarray, families: np.ndarray) -> dict[str, float | None]:
    """Return the mean silhouette of ``points`` (n, D) of all structures and of each family, by Euclidean distance.

    None if there are fewer than two families or no more structures than families.
    """
    from sklearn.metrics import silhouette_samples

    present = np.unique(families)
    if not 2 <= len(present) < len(points):
        return {"all": None} | dict.fromkeys(FAMILIES)
    each = silhouette_samples(np.asarray(points, dtype=np.float64), families)
    of_family = {f: float(each[families == f].mean()) if f in present else None for f in FAMILIES}
    return {"all": float(each.mean())} | of_family


def summary(facts: dict) -> str:
    """Return counts and silhouettes in sentences."""
    counts = ", ".join(f"{family} {count:,}" for family, count in facts["families"].items())
    found = {
        where: ", ".join(f"{name} {_short(value)}" for name, value in values.items())
        for where, values in facts["silhouette"].items()
    }
    return (
        f"t-SNE of {facts['structures']:,} encoded training structures ({counts}; paper: "
        f"{facts['paper']['structures']:,}). Silhouette of the families in the latent space: {found['latent']}; in the "
        f"plane: {found['plane']}."
    )


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def text(found: Stored) -> str:
    """Return the numbers of the figure in sentences."""
    return summary(found.facts)


def render(found: Stored, path: Path) -> list[Path]:
    """Draw the plane into ``path``.svg and .png: families by colour and marker, formation energy by shade."""
    energies = found.arrays["energies"]
    norm = Normalize(*np.percentile(energies, SHOWN), clip=True)
    with style.styled():
        figure = Figure(figsize=(style.WIDTH, 4.9))
        axes = figure.add_axes((0.01, 0.01, 0.75, 0.98))
        for place, family in enumerate(FAMILIES):
            colours = LinearSegmentedColormap.from_list(family, _LOOKS[family][1])
            _draw_family(axes, found, family, colours, norm)
            _draw_scale(figure, found.facts, family, colours, norm, place)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        where = {"latent": "latent space", "plane": "plane"}
        lines = [f"{name}: {_short(found.facts['silhouette'][key]['all'])}" for key, name in where.items()]
        figure.text(0.78, 0.97, "silhouette of the families\n" + "\n".join(lines), va="top", fontsize=7)
        return style.save(figure, path)


def _draw_family(axes: Axes, found: Stored, family: str, colours: LinearSegmentedColormap, norm: Normalize) -> None:
    chosen = found.arrays["families"] == family
    x, y = found.arrays["plane"][chosen].T
    size = float(np.clip(20_000 / max(len(found.arrays["plane"]), 1), 4, 25))
    shades = found.arrays["energies"][chosen]
    # points as a picture inside the SVG: thousands of shapes would make it slow to open
    axes.scatter(
        x, y, c=shades, cmap=colours, norm=norm, marker=_LOOKS[family][0], s=size, linewidths=0, rasterized=True
    )


def _draw_scale(
    figure: Figure, facts: dict, family: str, colours: LinearSegmentedColormap, norm: Normalize, place: int
) -> None:
    """Draw the scale of one family: its marker, its count and its shades."""
    axes = figure.add_axes((0.79 + 0.06 * place, 0.12, 0.02, 0.55))
    steps = np.linspace(norm.vmin, norm.vmax, 64)
    axes.imshow(steps[:, None], cmap=colours, aspect="auto", origin="lower", extent=(0, 1, norm.vmin, norm.vmax))
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    if place == len(FAMILIES) - 1:
        axes.yaxis.tick_right()
        axes.yaxis.set_label_position("right")
        axes.set_ylabel("formation energy (eV/atom)", fontsize=7)
    else:
        axes.set_yticks([])
    axes.set_title(family, fontsize=7)
    axes.text(0.5, -0.08, f"{facts['families'][family]:,}", transform=axes.transAxes, ha="center", fontsize=6.5)
    axes.plot(0.5, -0.03, marker=_LOOKS[family][0], color=_LOOKS[family][1][1], markersize=4, clip_on=False,
              transform=axes.transAxes)  # fmt: skip
