"""Graphs: neighbours against brute force, invariances, files, batches."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import DummySpecies, Element, Lattice, Structure

from data_prep.crystal import crystal_from_structure
from data_prep.errors import InputError
from data_prep.graphs import (
    NEIGHBOURS,
    TIE,
    build_graphs,
    crystal_graph,
    load_graphs,
    pack_batch,
    save_graphs,
)
from tests.support.made_up_crystals import made_up_crystals

PEROVSKITE = Structure(
    Lattice.cubic(4.0),
    ["Sr", "Ti", "O", "O", "O"],
    [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
)


def bonds(graph, site: int) -> list[tuple[float, int]]:
    """The (distance, element) pairs of a site, to 0.001 Å, sorted."""
    real = graph.mask[site]
    pairs = zip(graph.distances[site][real], graph.numbers[graph.neighbours[site][real]], strict=True)
    return sorted((round(float(distance), 3), int(z)) for distance, z in pairs)


def random_structure(seed: int, n_sites: int) -> Structure:
    rng = np.random.default_rng(seed)
    lattice = Lattice.from_parameters(*rng.uniform(3, 9, 3), *rng.uniform(65, 115, 3))
    species = [Element.from_Z(int(z)) for z in rng.integers(19, 95, n_sites)]
    return Structure(lattice, species, rng.random((n_sites, 3)))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n_sites=st.integers(1, 6))
def test_neighbours_agree_with_brute_force(seed, n_sites):
    structure = random_structure(seed, n_sites)
    graph = crystal_graph(structure, radius=5.0)
    reach = np.ceil(5.0 * np.array(structure.lattice.reciprocal_lattice_crystallographic.abc)).astype(int) + 1
    images = np.array(list(itertools.product(*(range(-n, n + 1) for n in reach))))
    points = (structure.frac_coords[None] + images[:, None]) @ structure.lattice.matrix  # (images, n, 3)
    for site, position in enumerate(structure.cart_coords):
        distances = np.linalg.norm(points - position, axis=-1)
        inside = (distances <= 5.0) & (distances > 1e-8)
        expected = np.sort(distances[inside])[:NEIGHBOURS]
        assert graph.mask[site].sum() == len(expected)
        # Among those tied with the last one, another than the nearest may be taken.
        np.testing.assert_allclose(graph.distances[site][: len(expected)], expected, atol=2 * TIE)
        certain = expected < expected.max(initial=0) - TIE
        np.testing.assert_allclose(graph.distances[site][: len(expected)][certain], expected[certain], atol=1e-5)
        for neighbour, distance in zip(graph.neighbours[site], graph.distances[site][: len(expected)], strict=False):
            assert np.abs(distances[:, neighbour] - distance).min() < 1e-5
        assert (graph.distances[site][len(expected) :] == 6.0).all()


def test_a_hair_does_not_decide_which_neighbours_are_taken():
    def described(structure: Structure) -> list:
        graph = crystal_graph(structure)
        return [sorted((round(d, 1), z) for d, z in bonds(graph, site)) for site in range(5)]

    for seed in range(10):
        moved = PEROVSKITE.copy()
        moved.perturb(0.001 + 0.002 * np.random.default_rng(seed).random())
        moved.apply_strain([0, 0, 0.0005])
        assert described(moved) == described(PEROVSKITE)


def test_equivalent_sites_are_told_by_what_they_see():
    # Mg at the corner of MgO with Ca at one of eight places: other Mg see it, and an index must not decide whom.
    rocksalt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.25), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    rocksalt = rocksalt.get_primitive_structure() * (2, 2, 2)
    rocksalt.replace(0, "Ca")
    described = set()
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(rocksalt))
        shuffled = Structure.from_sites([rocksalt[index] for index in order])
        graph = crystal_graph(shuffled)
        seen = [(bonds(graph, site), [bonds(graph, other) for other in graph.neighbours[site]]) for site in range(16)]
        described.add(str(sorted((mine, sorted(theirs)) for mine, theirs in seen)))
    assert len(described) == 1


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), shift=st.tuples(*[st.floats(-2, 2)] * 3))
def test_a_perovskite_does_not_depend_on_the_order_of_its_sites(seed, shift):
    # The oxygens have 12 neighbours at one distance and room for 10: the rule for ties decides.
    order = np.random.default_rng(seed).permutation(5)
    moved = Structure.from_sites([PEROVSKITE[i] for i in order])
    moved.translate_sites(list(range(5)), shift)
    graph, reference = crystal_graph(moved), crystal_graph(PEROVSKITE)
    assert [bonds(graph, i) for i in range(5)] == [bonds(reference, i) for i in order]


def test_a_supercell_has_the_graph_of_its_cell():
    graph, large = crystal_graph(PEROVSKITE), crystal_graph(PEROVSKITE * (2, 1, 1))
    expected = sorted(bonds(graph, i) for i in range(5))
    assert sorted(bonds(large, i) for i in range(10)) == sorted(expected * 2)


def test_the_oxygens_of_a_perovskite_keep_the_lighter_of_equal_neighbours():
    titanium, oxygen, strontium = (2.0, 22), (2.828, 8), (2.828, 38)
    graph = crystal_graph(PEROVSKITE)
    assert bonds(graph, 2) == sorted([titanium] * 2 + [oxygen] * 8 + [strontium] * 2)
    assert bonds(graph, 0) == [oxygen] * 12
    assert bonds(graph, 1) == sorted([(2.0, 8)] * 6 + [(3.464, 38)] * 6)


def test_as_found_keeps_the_distances_and_repeats():
    by_species, as_found = crystal_graph(PEROVSKITE), crystal_graph(PEROVSKITE, ties="as_found")
    np.testing.assert_allclose(by_species.distances, as_found.distances, atol=1e-6)
    np.testing.assert_array_equal(as_found.neighbours, crystal_graph(PEROVSKITE, ties="as_found").neighbours)
    with pytest.raises(InputError, match="ties is 'nearest'"):
        crystal_graph(PEROVSKITE, ties="nearest")


def test_few_neighbours_are_masked_and_counted():
    graph = crystal_graph(Structure(Lattice.tetragonal(20.0, 3.0), ["Fe"], [[0, 0, 0]]))  # a chain
    assert graph.mask[0].tolist() == [True] * 4 + [False] * 8
    assert graph.n_missing == 8
    np.testing.assert_allclose(graph.distances[0], [3.0, 3.0, 6.0, 6.0] + [9.0] * 8)
    alone = crystal_graph(Structure(Lattice.cubic(20.0), ["Fe"], [[0, 0, 0]]))
    assert alone.n_missing == 12 and alone.distances.tolist() == [[9.0] * 12]


@pytest.mark.parametrize(
    "lattice, species, sites, message",
    [
        (Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [1, 0, 0]], "duplicate site"),
        (Lattice.cubic(4), ["Na", "Cl"], [[0, 0, 0], [np.nan, 0, 0]], "finite"),
        (Lattice.cubic(4), ["Cm"], [[0, 0, 0]], "1..94"),
        (Lattice.cubic(4), [DummySpecies("X")], [[0, 0, 0]], "1..94"),
        (Lattice.cubic(4), [{"Na": 0.5, "K": 0.5}], [[0, 0, 0]], "order the structure"),
        (Lattice.cubic(0.4), ["Na"], [[0, 0, 0]], "check the cell"),
        (Lattice.from_parameters(4, 4, 4, 120, 120, 120), ["Na"], [[0, 0, 0]], "check the cell"),
        (Lattice.from_parameters(40, 40, 4, 90, 90, 0.5), ["Na"], [[0, 0, 0]], "check the cell"),
        (Lattice.cubic(5000), ["Na"], [[0, 0, 0]], "check the cell"),
    ],
)
def test_what_is_no_crystal_is_refused_by_name(lattice, species, sites, message):
    with pytest.raises(InputError, match=f"sample-7: .*{message}"):
        crystal_graph(Structure(lattice, species, sites), id="sample-7")


def test_a_broken_crystal_stops_the_building_with_its_name():
    crystals = made_up_crystals(5)
    crystals[3] = replace(crystals[3], lengths=np.array([4.0, np.nan, 4.0]))
    with pytest.raises(InputError, match=crystals[3].id):
        build_graphs(crystals, processes=1)


def test_graphs_of_crystals_and_of_structures_agree_on_any_number_of_processes():
    crystals = made_up_crystals(70)
    graphs = build_graphs(crystals, processes=2)
    assert [graph.id for graph in graphs] == [crystal.id for crystal in crystals]
    for crystal, graph in zip(crystals, graphs, strict=True):
        single = crystal_graph(crystal.structure(), id=crystal.id)
        for name in ("numbers", "neighbours", "distances", "mask"):
            np.testing.assert_array_equal(getattr(graph, name), getattr(single, name))


def test_saved_graphs_come_back(tmp_path):
    graphs = build_graphs(made_up_crystals(9), processes=1)
    path = tmp_path / "graphs.npz"
    save_graphs(graphs, path)
    back = load_graphs(path)
    assert [graph.id for graph in back] == [graph.id for graph in graphs]
    for old, new in zip(graphs, back, strict=True):
        for name in ("numbers", "neighbours", "distances", "mask"):
            np.testing.assert_array_equal(getattr(old, name), getattr(new, name))
            assert getattr(old, name).dtype == getattr(new, name).dtype
    with pytest.raises(InputError, match="no graphs"):
        save_graphs([], path)


def test_damaged_and_foreign_files_are_named(tmp_path):
    path = tmp_path / "graphs.npz"
    with pytest.raises(InputError, match="does not exist"):
        load_graphs(path)
    graphs = build_graphs(made_up_crystals(3), processes=1)
    save_graphs(graphs, path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        path.write_bytes(whole[: rng.integers(0, len(whole))])
        with pytest.raises(InputError, match="graphs.npz"):
            load_graphs(path)
    for position in rng.integers(0, len(whole), 150):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 255]) + whole[position + 1 :])
        try:
            back = load_graphs(path)
        except InputError as error:
            assert "graphs.npz" in str(error)
        else:  # a byte that carries no data, such as a time stamp
            assert all((a.distances == b.distances).all() for a, b in zip(graphs, back, strict=True))
            assert [graph.id for graph in back] == [graph.id for graph in graphs]
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(InputError, match="not a readable file of graphs"):
        load_graphs(path)


def test_arrays_that_are_no_graphs_are_refused(tmp_path):
    path = tmp_path / "graphs.npz"
    save_graphs(build_graphs(made_up_crystals(3), processes=1), path)
    with np.load(path) as file:
        sound = dict(file)
    for name, wrong in [
        ("neighbours", sound["neighbours"] + 90),
        ("offsets", sound["offsets"][:-1]),
        ("offsets", sound["offsets"].astype(str)),
        ("distances", np.full_like(sound["distances"], np.nan)),
        ("numbers", sound["numbers"] + 200),
        ("ids", np.arange(3)),
    ]:
        np.savez(path, **{**sound, name: wrong})
        with pytest.raises(InputError, match="does not hold graphs"):
            load_graphs(path)


def test_a_batch_holds_every_graph_end_to_end():
    graphs = build_graphs(made_up_crystals(6), processes=1)  # 2, 5 and 4 sites
    batch = pack_batch(graphs, multiple=16)
    total = sum(graph.n_sites for graph in graphs)
    assert batch["numbers"].shape == (32,) and batch["distances"].shape == (32, 12) and total == 22
    kinds = [batch[name].dtype.name for name in batch]
    assert kinds == ["float32", "int32", "int32", "float32", "bool", "bool", "int32"]
    assert batch["atoms"].tolist() == [graph.n_sites for graph in graphs]
    start = 0
    for place, graph in enumerate(graphs):
        rows = slice(start, start + graph.n_sites)
        np.testing.assert_array_equal(batch["distances"][rows], graph.distances)
        np.testing.assert_array_equal(batch["neighbours"][rows], graph.neighbours + start)
        assert (batch["crystal"][rows] == place).all()
        start = rows.stop
    assert batch["site_mask"].sum() == total and not batch["site_mask"][total:].any()
    assert not batch["edge_mask"][total:].any() and batch["neighbours"].max() < total
    assert pack_batch(graphs)["numbers"].shape == (64,)
    with pytest.raises(InputError, match="at least one graph"):
        pack_batch([])
    with pytest.raises(InputError, match="same number of neighbours"):
        pack_batch([graphs[0], crystal_graph(PEROVSKITE, n_neighbours=6)])


def test_a_crystal_record_has_the_graph_of_its_structure():
    crystal = crystal_from_structure(PEROVSKITE, "made-perovskite")
    graph = crystal_graph(crystal)
    assert graph.id == "made-perovskite"
    assert [bonds(graph, i) for i in range(5)] == [bonds(crystal_graph(PEROVSKITE), i) for i in range(5)]
