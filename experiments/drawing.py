"""How a crystal is drawn: cell, sites and bonds, in a plane or as a scene to turn; one colour per element."""

import re
from collections.abc import Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from pymatgen.core import Element, Structure

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.elements import ionic_radii
from experiments import style

PALETTE = (style.BLUE, style.ORANGE, style.GREEN, style.VERMILION, style.PURPLE, style.SKY, style.YELLOW, style.BLACK)
TURN, TILT = 22.0, 14.0  # degrees about the vertical, then about the horizontal
BOND = 1.15  # two sites are joined within so many times the shorter of their nearest distances
_PIECES = 8  # of a cell edge, each as near or far as its middle


def draw(axes: Axes, structure: Structure, title: str) -> None:
    """Draw one cell to scale, sites on its faces repeated on the opposite ones; sizes follow the ionic radii."""
    sites, numbers = all_sites(structure)
    rotation = _rotation()
    flat = sites @ structure.lattice.matrix @ rotation.T  # (m, 3): right, up, towards the viewer
    colours = _colours(structure)
    _draw_edges(axes, structure.lattice.matrix @ rotation.T)
    radii = _radii(numbers)
    for one, other in bonds(structure, sites):
        _draw_bond(axes, flat[one], flat[other], radii[one], radii[other])
    for place, radius, z in zip(flat, radii, numbers, strict=True):
        _draw_site(axes, place, radius, colours[z])
    handles = [
        Line2D([], [], marker="o", linestyle="", markersize=5, color=colours[z], markeredgecolor="black",
               markeredgewidth=0.4, label=Element.from_Z(z).symbol)
        for z in colours
    ]  # fmt: skip
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.02), frameon=False, ncols=3,
                handletextpad=0.1, columnspacing=0.5, handlelength=1)  # fmt: skip
    axes.set_aspect("equal", adjustable="datalim")
    axes.autoscale_view()
    axes.set_axis_off()
    axes.set_title(title)


def as_plain(structure: Structure) -> dict:
    """Return a structure as plain data: ``lengths`` in Å, ``angles`` in degrees, ``numbers`` and ``fractional``."""
    crystal = crystal_from_structure(structure, "")
    fields = ("lengths", "angles", "numbers", "fractional")
    return {name: getattr(crystal, name).tolist() for name in fields}


def from_plain(plain: dict) -> Structure:
    """Return the structure that ``as_plain`` described."""
    return Crystal(id="", formula="", **{name: np.array(values) for name, values in plain.items()}).structure()


def scene(structure: Structure) -> dict:
    """Return what ``draw`` draws as plain data to be turned: x to the right, y up, z to the viewer, in Å.

    ``elements`` with symbol, colour and radius; ``sites`` as index of an element, x, y, z; ``bonds`` as pairs of sites;
    ``edges`` of the cell as pairs of points.
    """
    sites, numbers = all_sites(structure)
    turned = structure.lattice.matrix @ _rotation().T
    places = sites @ turned
    colours = _colours(structure)
    order = list(colours)
    return {
        "elements": [
            {"symbol": Element.from_Z(z).symbol, "colour": colour, "radius": round(float(_radii([z])[0]), 3)}
            for z, colour in colours.items()
        ],
        "sites": [[order.index(z), *place] for z, place in zip(numbers, places.round(3).tolist(), strict=True)],
        "bonds": bonds(structure, sites),
        "edges": [np.round(np.stack(edge) @ turned, 3).tolist() for edge in cell_edges()],
    }


def _colours(structure: Structure) -> dict[int, str]:
    """Return the colour of each element, by atomic number, in the order of the sites."""
    elements = dict.fromkeys(int(site.specie.Z) for site in structure)
    return {z: PALETTE[place % len(PALETTE)] for place, z in enumerate(elements)}


def _radii(numbers: Sequence[int]) -> np.ndarray:
    return 0.22 + 0.3 * ionic_radii()[numbers]


def formula_text(formula: str) -> str:
    """Return a formula with its numbers as subscripts, for a title: Al2O3 as Al$_2$O$_3$."""
    return re.sub(r"(\d+\.?\d*)", r"$_{\1}$", formula)


def _rotation() -> np.ndarray:
    turn, tilt = np.radians([TURN, TILT])
    about_vertical = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    towards = np.array([[1, 0, 0], [0, np.sin(tilt), np.cos(tilt)], [0, -np.cos(tilt), np.sin(tilt)]])
    return towards @ about_vertical


def _draw_edges(axes: Axes, matrix: np.ndarray) -> None:
    cuts = np.linspace(0, 1, _PIECES + 1)[:, None]
    for start, end in cell_edges():
        points = (start + cuts * (end - start)) @ matrix
        for one, other in zip(points[:-1], points[1:], strict=True):
            line = LineCollection([[one[:2], other[:2]]], colors=style.GREY, linewidths=0.6)
            line.set_zorder((one[2] + other[2]) / 2)
            axes.add_collection(line)


def _draw_bond(axes: Axes, one: np.ndarray, other: np.ndarray, radius: float, other_radius: float) -> None:
    """Draw the part of a bond that is outside both sites."""
    direction = (other - one) / np.linalg.norm(other - one)
    ends = np.stack([one + radius * direction, other - other_radius * direction])
    if (ends[1] - ends[0]) @ direction > 0:
        middle = ends[:, 2].mean()
        axes.plot(*ends[:, :2].T, color="#999999", linewidth=1.6, zorder=middle, solid_capstyle="round")


def _draw_site(axes: Axes, place: np.ndarray, radius: float, colour: str) -> None:
    axes.add_patch(Circle(place[:2], radius, facecolor=colour, edgecolor="black", linewidth=0.4, zorder=place[2]))
    shine = place[:2] + radius * np.array([-0.35, 0.38])
    axes.add_patch(Circle(shine, 0.28 * radius, facecolor="white", alpha=0.55, linewidth=0, zorder=place[2] + 1e-6))


def bonds(structure: Structure, sites: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of ``sites`` (m, 3) in fractional coordinates that are joined, as indices."""
    places = sites @ structure.lattice.matrix
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.min(axis=1)
    near = distances < BOND * np.minimum(nearest[:, None], nearest[None])
    return [(int(one), int(other)) for one, other in np.argwhere(np.triu(near))]


def all_sites(structure: Structure) -> tuple[np.ndarray, list[int]]:
    """Return the sites of a cell with those repeated on opposite faces (m, 3), fractional, and their elements."""
    images = [with_images(site.frac_coords[None]) for site in structure]
    numbers = [int(site.specie.Z) for site, image in zip(structure, images, strict=True) for _ in image]
    return np.concatenate(images), numbers


def cell_edges() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the twelve edges of the unit cube as pairs of fractional corners."""
    corners = [np.array(corner, dtype=float) for corner in product((0, 1), repeat=3)]
    return [(one, other) for one in corners for other in corners if (other - one).sum() == 1 and (other >= one).all()]


def with_images(fractional: np.ndarray, tolerance: float = 0.02) -> np.ndarray:
    """Return sites (n, 3) with those near a face of the cell repeated on the opposite face."""
    fractional = np.mod(fractional, 1.0)
    repeated: list[Sequence[float]] = []
    for site in fractional:
        choices = [(x, x + 1) if x < tolerance else (x - 1, x) if x > 1 - tolerance else (x,) for x in site]
        repeated += list(product(*choices))
    return np.array(repeated)
