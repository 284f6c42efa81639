"""Coordination numbers: the number of nearest neighbours of each site of a crystal."""

from collections.abc import Iterable

import numpy as np

from data_prep.graphs import Graph

SHELL = 1.15  # nearest neighbours are those up to this multiple of a site's shortest distance


def coordinations(graph: Graph) -> set[tuple[int, int]]:
    """Return the pairs (atomic number, number of nearest neighbours) of a crystal's sites.

    A graph holds 12 neighbours a site, so 12 means 12 or more; 0 means none within the graph's radius.
    """
    nearest = np.where(graph.mask, graph.distances, np.inf)
    count = (nearest <= SHELL * nearest[:, :1]) & graph.mask
    return set(zip(graph.numbers.tolist(), count.sum(axis=1).tolist(), strict=True))


def all_coordinations(graphs: Iterable[Graph]) -> dict[int, list[int]]:
    """Return the numbers of nearest neighbours that occur in any of the crystals, by atomic number."""
    found: dict[int, set[int]] = {}
    for graph in graphs:
        for z, count in coordinations(graph):
            found.setdefault(z, set()).add(count)
    return {z: sorted(counts) for z, counts in sorted(found.items())}
