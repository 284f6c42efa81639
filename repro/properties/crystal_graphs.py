"""The graphs of a user's crystals; without TensorFlow, so that other processes can make them quickly."""

from collections.abc import Sequence

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.graphs import MAX_GRAPH_SITES, Graph, crystal_graph
from data_prep.quarantine import Rejected

SAME = 0.01  # Å: sites of a large cell that differ by more are not repeats of each other


def with_graphs(crystals: Sequence[Crystal]) -> tuple[list[tuple[Crystal, Graph]], list[Rejected]]:
    """Return the crystals with their graphs, and those that have none; cells too large are reduced first."""
    drawn, rejected = [], []
    for crystal in crystals:
        try:
            crystal = _small(crystal)
            drawn.append((crystal, crystal_graph(crystal)))
        except InputError as error:
            rejected.append(Rejected(crystal.id, "no_graph", str(error)))
    return drawn, rejected


def _small(crystal: Crystal) -> Crystal:
    if crystal.n_sites <= MAX_GRAPH_SITES:
        return crystal
    primitive = crystal_from_structure(crystal.structure().get_primitive_structure(tolerance=SAME), crystal.id)
    if primitive.n_sites > MAX_GRAPH_SITES:
        raise InputError(
            f"{crystal.id}: {primitive.n_sites} sites, the networks were trained on at most {MAX_GRAPH_SITES}."
        )
    return primitive
