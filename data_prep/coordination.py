"""How many nearest neighbours the sites of a crystal have."""

from collections.abc import Iterable

import numpy as np

from data_prep.graphs import Graph

SHELL = 1.15  # neighbours up to this multiple of a site's shortest distance are its nearest ones


def coordinations(graph: Graph) -> set[tuple[int, int]]:
    """Return the pairs (atomic number, number of nearest neighbours) of a crystal's sites.

    Counts end at the neighbours of the graph: 12 is 12 or more; 0 is a site alone within the radius.
    """
    nearest = np.where(graph.mask, graph.distances, np.inf)
    count = (nearest <= SHELL * nearest[:, :1]) & graph.mask
    return set(zip(graph.numbers.tolist(), count.sum(axis=1).tolist(), strict=True))


def all_coordinations(graphs: Iterable[Graph]) -> dict[int, list[int]]:
    """Return, by atomic number, the numbers of nearest neighbours that occur in any of the crystals."""
    found: dict[int, set[int]] = {}
    for graph in graphs:
        for z, count in coordinations(graph):
            found.setdefault(z, set()).add(count)
    return {z: sorted(counts) for z, counts in sorted(found.items())}
