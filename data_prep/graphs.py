"""Crystals as graphs of sites, nearest neighbours and distances (Methods; F26)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pymatgen.core import Composition, Element, Structure
from tqdm import tqdm

from data_prep.crystal import Crystal
from data_prep.elements import MAX_Z
from data_prep.errors import InputError
from data_prep.files.atomic import replacing
from data_prep.files.npz import DamagedNpz, read_npz
from data_prep.workers import in_order

RADIUS = 8.0  # Å, F26
NEIGHBOURS = 12  # F26
TIE = 0.02  # Å: larger than the noise of a relaxation, which must not decide which neighbours are taken
SAME_SURROUNDINGS = 0.002  # of ``_surroundings``: sites that differ by less are taken as equivalent
DECAY = 1.5  # Å: how fast a neighbour counts less in a site's surroundings
OVERLAP = 0.01  # Å: closer sites are one site given twice
MAX_GRAPH_SITES = 50  # F26: larger cells are left out
TieRule = Literal["species", "as_found"]
TIE_RULES: tuple[TieRule, ...] = get_args(TieRule)
_SITE_FIELDS = ("numbers", "neighbours", "distances", "mask")
SITES_MULTIPLE = 64  # 2 % of a batch of 256 crystals
_CHUNK = 64  # crystals sent to a worker at a time
_WORTH_SHARING = 4  # chunks: fewer are built before other processes have started


@dataclass(frozen=True)
class Graph:
    """One crystal of n sites as a graph, M neighbours a site (12, F26).

    ``numbers`` (n,) atomic numbers; ``neighbours`` (n, M) int32, the site whose periodic image each
    neighbour is; ``distances`` (n, M) float32 in Å, ascending; ``mask`` (n, M) bool, False for a
    neighbour missing within the radius, which is entered as site 0 at one Å beyond the radius.
    """

    id: str
    numbers: np.ndarray
    neighbours: np.ndarray
    distances: np.ndarray
    mask: np.ndarray

    @property
    def n_sites(self) -> int:
        """Number of sites in the cell."""
        return len(self.numbers)

    @property
    def n_missing(self) -> int:
        """Number of neighbours, over all sites, that are missing within the radius."""
        return int(self.mask.size - self.mask.sum())


def formula_of(graph: Graph) -> str:
    """Return the reduced formula of a graph's crystal."""
    counts = Counter(graph.numbers.tolist())
    return Composition({Element.from_Z(z): count for z, count in counts.items()}).reduced_formula


def crystal_graph(
    crystal: Crystal | Structure,
    radius: float = RADIUS,
    n_neighbours: int = NEIGHBOURS,
    ties: TieRule = "species",
    id: str | None = None,
) -> Graph:
    """Return the graph of a crystal: for each site its nearest periodic neighbours within ``radius`` Å.

    If more sites lie at about the distance of the last one (within 0.02 Å) than there is room for, as in every
    cubic perovskite, ``ties = "species"`` takes the lower atomic number first, then the site with the weaker
    surroundings, then the nearer: the graph depends neither on the order of the sites, nor on the choice of cell, nor
    on the noise of a relaxation. ``"as_found"`` takes the nearest in the order of the search, as the release does
    (F26). Missing neighbours are masked. ``id`` names a ``Structure`` (default: its formula). Raises InputError for
    an impossible cell, for overlapping sites, and for elements beyond Pu.
    """
    if ties not in TIE_RULES:
        raise InputError(f"ties is '{ties}', it must be one of {', '.join(TIE_RULES)}.")
    structure = crystal.structure() if isinstance(crystal, Crystal) else crystal
    id = crystal.id if isinstance(crystal, Crystal) else id or structure.composition.reduced_formula
    numbers = _checked_numbers(structure, id)
    _check_cell(structure, id)
    centres, others, images, distances = structure.get_neighbor_list(radius)
    if len(distances) and distances.min() < OVERLAP:
        raise InputError(f"{id}: two sites are closer than {OVERLAP} Å; remove the duplicate site.")
    chosen, rank = _nearest(centres, others, images, distances, numbers, n_neighbours, ties)

    shape = (len(numbers), n_neighbours)
    graph = Graph(
        id=id,
        numbers=numbers,
        neighbours=np.zeros(shape, dtype=np.int32),
        distances=np.full(shape, radius + 1.0, dtype=np.float32),
        mask=np.zeros(shape, dtype=bool),
    )
    place = centres[chosen], rank
    graph.neighbours[place], graph.distances[place] = others[chosen], distances[chosen]
    graph.mask[place] = True
    return graph


def _checked_numbers(structure: Structure, id: str) -> np.ndarray:
    if not structure.is_ordered or not len(structure):
        raise InputError(f"{id}: a graph needs sites with one element each; order the structure.")
    numbers = [site.specie.Z for site in structure]
    if min(numbers) < 1 or max(numbers) > MAX_Z:
        raise InputError(f"{id}: atomic numbers must lie in 1..{MAX_Z} (H to Pu); leave this crystal out.")
    return np.array(numbers, dtype=np.int32)


def _check_cell(structure: Structure, id: str) -> None:
    """Raise InputError for cells in which the neighbour search would run out of memory or time."""
    matrix = structure.lattice.matrix
    if not (np.isfinite(matrix).all() and np.isfinite(structure.frac_coords).all()):
        raise InputError(f"{id}: the cell or a coordinate is not a finite number.")
    volume = abs(np.linalg.det(matrix))
    if volume < 0.1 * len(structure):
        raise InputError(f"{id}: {volume:.3g} Å^3 for {len(structure)} sites is no crystal; check the cell.")
    areas = np.linalg.norm(np.cross(matrix[[1, 2, 0]], matrix[[2, 0, 1]]), axis=1)
    if (volume / areas).min() < 0.5 or np.linalg.norm(matrix, axis=1).max() > 1000.0:
        raise InputError(f"{id}: cell planes under 0.5 Å apart or an edge over 1000 Å; check the cell.")


def _nearest(centres, others, images, distances, numbers, n_neighbours, ties):
    """Return the pairs to keep, as indices into the search's arrays, and the rank of each at its centre."""
    order = np.lexsort((distances, centres))  # stable: equal distances keep the order of the search
    if ties == "species":
        zone = _zones(centres, distances, order, n_neighbours)
        group = _surroundings(centres, others, distances, numbers)
        keys = (*images.T[::-1], others, distances.round(6), group[others], numbers[others])
        order = np.lexsort((*(np.where(zone == 1, key, 0) for key in keys), zone, centres))
    chosen = order[_rank(centres[order]) < n_neighbours]
    chosen = chosen[np.lexsort((distances[chosen], centres[chosen]))]
    return chosen, _rank(centres[chosen])


def _zones(centres, distances, order, n_neighbours):
    """Return for each pair 0 if it is nearer than the centre's last neighbour, 1 if tied with it, 2 if farther."""
    last = np.full(centres.max(initial=-1) + 1, np.inf)
    full = order[_rank(centres[order]) == n_neighbours - 1]
    last[centres[full]] = distances[full]
    beyond = distances - last[centres]
    return np.where(beyond < -TIE, 0, np.where(beyond <= TIE, 1, 2))


def _surroundings(centres, others, distances, numbers):
    """Return a number for each site, the same for sites that see the same atoms at the same distances.

    It grows with the sum of the neighbours' atomic numbers, each weighed by exp(-distance / 1.5 Å).
    """
    weights = numbers[others] * np.exp(-distances / DECAY)
    seen = np.log1p(np.bincount(centres, weights, minlength=len(numbers)))
    order = np.argsort(seen)
    group = np.empty(len(numbers), dtype=np.int64)
    group[order] = np.cumsum(np.diff(seen[order], prepend=seen[order[:1]]) > SAME_SURROUNDINGS)
    return group


def _rank(sorted_values: np.ndarray) -> np.ndarray:
    """Return the number of equal values before each one of a sorted array."""
    return np.arange(len(sorted_values)) - np.searchsorted(sorted_values, sorted_values)


def build_graphs(
    crystals: Sequence[Crystal],
    processes: int | None = None,
    radius: float = RADIUS,
    n_neighbours: int = NEIGHBOURS,
    ties: TieRule = "species",
    scheduler: str | None = None,
) -> list[Graph]:
    """Return the graph of every crystal, in order.

    It runs on ``processes`` cores (None: all), or on the workers of a Dask ``scheduler`` (see ``data_prep.workers``).
    Raises the InputError of the first crystal that has no graph (see ``crystal_graph``), or of a lost worker.
    """
    graphs = try_graphs(crystals, processes, radius, n_neighbours, ties, scheduler)
    for graph in graphs:
        if isinstance(graph, InputError):
            raise graph
    return graphs


def try_graphs(
    crystals: Sequence[Crystal],
    processes: int | None = None,
    radius: float = RADIUS,
    n_neighbours: int = NEIGHBOURS,
    ties: TieRule = "species",
    scheduler: str | None = None,
) -> list[Graph | InputError]:
    """Return, as ``build_graphs``, the graph of every crystal, or the error because of which it has none."""
    build = partial(_try_chunk, radius=radius, n_neighbours=n_neighbours, ties=ties)
    chunks = [crystals[start : start + _CHUNK] for start in range(0, len(crystals), _CHUNK)]
    graphs: list[Graph | InputError] = []
    with tqdm(total=len(crystals), desc="graphs", unit=" crystals", disable=None) as bar:
        for built in in_order(build, chunks, processes, scheduler, _WORTH_SHARING):
            graphs += built
            bar.update(len(built))
    return graphs


def _try_chunk(crystals: Sequence[Crystal], **arguments) -> list[Graph | InputError]:
    graphs: list[Graph | InputError] = []
    for crystal in crystals:
        try:
            graphs.append(crystal_graph(crystal, **arguments))
        except InputError as error:
            graphs.append(error)
    return graphs


def save_graphs(graphs: Sequence[Graph], path: Path) -> None:
    """Write graphs to one NPZ file atomically: the sites of all crystals end to end, and their offsets."""
    if not graphs:
        raise InputError(f"There are no graphs to write to {path}; select at least one crystal.")
    arrays = {name: np.concatenate([getattr(graph, name) for graph in graphs]) for name in _SITE_FIELDS}
    arrays["ids"] = np.array([graph.id for graph in graphs])
    arrays["offsets"] = np.cumsum([0] + [graph.n_sites for graph in graphs])
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def load_graphs(path: Path) -> list[Graph]:
    """Return the graphs that ``save_graphs`` wrote; raises InputError if the file is missing or damaged."""
    remedy = "build the graphs again"
    try:
        stored = read_npz(path)
        arrays = {name: stored[name] for name in (*_SITE_FIELDS, "ids", "offsets")}
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: {remedy}.") from error
    except (DamagedNpz, KeyError) as error:
        raise InputError(f"{path} is not a readable file of graphs ({error}): {remedy}.") from error
    _check_arrays(arrays, path)
    bounds = zip(arrays["offsets"][:-1], arrays["offsets"][1:], arrays["ids"], strict=True)
    return [Graph(str(id), *(arrays[name][start:stop] for name in _SITE_FIELDS)) for start, stop, id in bounds]


def _check_arrays(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Raise InputError for arrays that do not describe graphs."""
    offsets, numbers, neighbours = arrays["offsets"], arrays["numbers"], arrays["neighbours"]
    kinds = "".join(arrays[name].dtype.kind for name in (*_SITE_FIELDS, "ids", "offsets"))
    shapes = {arrays[name].shape for name in ("neighbours", "distances", "mask")}
    sizes = np.diff(offsets) if offsets.ndim == 1 and offsets.dtype.kind == "i" else np.array([])
    sound = (
        kinds == "iifbUi"
        and numbers.ndim == 1
        and len(shapes) == 1
        and neighbours.ndim == 2
        and arrays["ids"].shape == sizes.shape
        and len(sizes) > 0
        and offsets[0] == 0
        and (sizes > 0).all()
        and offsets[-1] == len(numbers) == len(neighbours)
        and (neighbours >= 0).all()
        and (neighbours < np.repeat(sizes, sizes)[:, None]).all()
        and numbers.min() >= 1
        and numbers.max() <= MAX_Z
        and np.isfinite(arrays["distances"]).all()
    )
    if not sound:
        raise InputError(f"{path} does not hold graphs: build the graphs again.")


def pack_batch(graphs: Sequence[Graph], multiple: int = SITES_MULTIPLE) -> dict[str, np.ndarray]:
    """Return the arrays of B crystals as one batch, their S sites end to end: no crystal is padded to the largest.

    ``numbers`` (S,) int32; ``neighbours`` (S, M) int32, places in the batch; ``distances`` (S, M) float32
    in Å; ``edge_mask`` (S, M) and ``site_mask`` (S,) bool; ``crystal`` (S,) int32, the crystal of each site;
    ``atoms`` (B,) float32, the number of sites of each. S is rounded up to a ``multiple`` with masked
    sites, so that a network that is compiled for each shape sees few shapes.
    """
    if not graphs or len({graph.mask.shape[1] for graph in graphs}) != 1:
        raise InputError("A batch needs at least one graph, and the same number of neighbours in each.")
    sizes = np.array([graph.n_sites for graph in graphs])
    total = int(sizes.sum())
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)[:, None]
    spare = -total % multiple
    return {
        "atoms": sizes.astype(np.float32),
        "numbers": _lengthened([graph.numbers for graph in graphs], spare),
        "neighbours": _lengthened([np.concatenate([graph.neighbours for graph in graphs]) + starts], spare, np.int32),
        "distances": _lengthened([graph.distances for graph in graphs], spare),
        "edge_mask": _lengthened([graph.mask for graph in graphs], spare),
        "site_mask": np.arange(total + spare) < total,
        "crystal": _lengthened([np.repeat(np.arange(len(graphs), dtype=np.int32), sizes)], spare),
    }


def _lengthened(arrays: Sequence[np.ndarray], spare: int, dtype: type | None = None) -> np.ndarray:
    """Return arrays end to end, with ``spare`` rows of zeros after them."""
    tail = np.zeros((spare, *arrays[0].shape[1:]), dtype=arrays[0].dtype)
    return np.concatenate([*arrays, tail]).astype(dtype or tail.dtype, copy=False)
