"""Which crystals are left out, for which reason, and that nothing vanishes without one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import DummySpecies, Lattice, Structure

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.quarantine import (
    Rejected,
    Unusable,
    count_reasons,
    print_rejected,
    refuse_bad_geometry,
    refuse_species,
    require_some,
    screen,
)


def rocksalt(id: str = "mp-22862", a: float = 3.99, **changes) -> Crystal:
    """NaCl in its primitive fcc cell, as the Materials Project deposits it."""
    crystal = Crystal(
        id=id,
        formula="NaCl",
        lengths=np.full(3, a),
        angles=np.full(3, 60.0),
        numbers=np.array([11, 17]),
        fractional=np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
        formation_energy_per_atom=-2.1,
        properties={"spacegroup": 225.0},
    )
    return replace(crystal, **changes)


def reason(bad: Crystal, **options) -> str:
    kept, rejected = screen([rocksalt("good"), bad], **options)
    assert [crystal.id for crystal in kept] == ["good"]
    assert [item.id for item in rejected] == [bad.id]
    return rejected[0].reason


NAN, INF = float("nan"), float("inf")
MOVED = np.array([[0.0, 0.0, 0.0], [0.5, NAN, 0.5]])


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ("no_sites", {"numbers": np.array([], dtype=int), "fractional": np.empty((0, 3))}),
        (
            "too_many_sites",
            {"numbers": np.full(41, 11), "fractional": np.random.default_rng(0).random((41, 3))},
        ),
        ("degenerate_cell", {"lengths": np.array([3.99, 0.0, 3.99])}),
        ("degenerate_cell", {"lengths": np.array([3.99, -3.99, 3.99])}),
        ("degenerate_cell", {"lengths": np.array([3.99, NAN, 3.99])}),
        ("degenerate_cell", {"angles": np.array([60.0, 60.0, 180.0])}),
        ("degenerate_cell", {"angles": np.array([60.0, 60.0, 120.0])}),  # flat: the three edges in a plane
        ("degenerate_cell", {"angles": np.array([30.0, 30.0, 120.0])}),  # no such corner
        ("non_finite_coordinates", {"fractional": MOVED}),
        ("non_finite_coordinates", {"fractional": np.where(np.isnan(MOVED), INF, MOVED)}),
        ("overlapping_sites", {"fractional": np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.995]])}),
        ("element_out_of_range", {"numbers": np.array([11, 95])}),
        ("element_out_of_range", {"numbers": np.array([11, 0])}),
        ("other_family", {"formula": "NaCl2Br3"}),
        ("no_label", {"formation_energy_per_atom": NAN}),
        ("no_label", {"formation_energy_per_atom": INF}),
        ("not_cubic", {"properties": {"spacegroup": 194.0}}),
    ],
)
def test_each_fault_has_its_reason(expected, changes):
    assert reason(rocksalt("bad", **changes)) == expected


def test_first_of_an_id_is_kept_and_later_ones_are_rejected():
    kept, rejected = screen([rocksalt("x", a=3.9), rocksalt("x", a=4.1), rocksalt("y")])
    assert [(crystal.id, crystal.lengths[0]) for crystal in kept] == [("x", 3.9), ("y", 3.99)]
    assert rejected == [Rejected("x", "duplicate_id", "the id x was given before")]


def test_options_admit_what_the_defaults_reject():
    unlabelled = rocksalt("a", formation_energy_per_atom=NAN)
    hexagonal = rocksalt("b", properties={"spacegroup": 194.0})
    other = rocksalt("c", formula="Na3Cl5")
    plutonium_free = rocksalt("d", numbers=np.array([94, 17]))
    assert reason(plutonium_free, max_z=93) == "element_out_of_range"
    kept, rejected = screen(
        [unlabelled, hexagonal, other, plutonium_free], require_label=False, cubic=False, families=None
    )
    assert [crystal.id for crystal in kept] == ["a", "b", "c", "d"]
    assert rejected == []


def test_forty_sites_are_admitted_and_forty_one_are_not():
    grid = np.stack(np.meshgrid(*[np.arange(4) / 4] * 3), axis=-1).reshape(-1, 3)
    big = dict(lengths=np.full(3, 12.0), angles=np.full(3, 90.0))
    forty = rocksalt("forty", numbers=np.tile([11, 17], 20), fractional=grid[:40], **big)
    more = rocksalt("more", numbers=np.full(41, 11), fractional=grid[:41], **big)
    kept, rejected = screen([forty, more])
    assert [crystal.id for crystal in kept] == ["forty"]
    assert rejected == [Rejected("more", "too_many_sites", "41 sites, at most 40 are used")]


def test_space_group_is_found_where_the_source_gives_none():
    tetragonal = rocksalt("t", lengths=np.array([5.0, 5.0, 6.0]), angles=np.full(3, 90.0), properties={})
    kept, rejected = screen([rocksalt("cubic", properties={"band_gap": 5.0}), tetragonal])
    assert kept[0].properties == {"band_gap": 5.0, "spacegroup": 225.0}
    assert [(item.id, item.reason, item.detail) for item in rejected] == [("t", "not_cubic", "space group 123")]


def test_nothing_left_is_an_error_with_counts_and_an_example():
    bad = [rocksalt(str(i), formation_energy_per_atom=NAN) for i in range(3)] + [
        rocksalt("z", numbers=np.array([11, 99]))
    ]
    with pytest.raises(InputError, match=r"4 crystals has no usable crystal: 3 no_label, 1 element_out_of_range"):
        screen(bad)
    kept, rejected = screen(bad, may_be_empty=True)
    assert kept == [] and [item.id for item in rejected] == ["0", "1", "2", "z"]
    with pytest.raises(InputError, match="things has no usable crystal: it is empty"):
        require_some([], [], "things")


def test_what_is_left_out_is_printed_with_its_id_once(capsys):
    print_rejected([Rejected("a.cif", "no_graph", "a.cif: 60 sites"), Rejected("b.cif", "unreadable", "no cell")])
    said = "a.cif: left out, no graph: 60 sites\nb.cif: left out, unreadable: no cell\n"
    assert capsys.readouterr() == ("", said)


def test_counts_are_sorted_by_frequency():
    items = [Rejected(str(i), reason, "") for i, reason in enumerate(["b", "a", "a", "c", "a", "c"])]
    assert list(count_reasons(items).items()) == [("a", 3), ("c", 2), ("b", 1)]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.floats(0.4, 12.0), min_size=3, max_size=3),
    angles=st.lists(st.floats(60.0, 105.0), min_size=3, max_size=3),
    site=st.lists(st.floats(0.0, 0.999), min_size=3, max_size=3),
    shift=st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3),
)
def test_overlap_agrees_with_pymatgen_periodic_distance(lengths, angles, site, shift):
    """Two sites, the second ``shift`` Å away in a skewed cell and wrapped back into it."""
    lattice = Lattice.from_parameters(*lengths, *angles)
    heights = [lattice.d_hkl(hkl) for hkl in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    second = np.mod(np.array(site) + lattice.get_fractional_coords(shift), 1.0)
    crystal = rocksalt(lengths=np.array(lengths), angles=np.array(angles), fractional=np.array([site, second]))
    distance = Structure(lattice, ["Na", "Cl"], crystal.fractional).get_distance(0, 1)
    if abs(distance - 0.1) < 1e-6 or abs(min(heights) - 0.5) < 1e-6:  # rounding decides
        return
    try:
        refuse_bad_geometry(crystal)
        found = "none"
    except Unusable as fault:
        found = fault.reason
    expected = "degenerate_cell" if min(heights) < 0.5 else "overlapping_sites" if distance < 0.1 else "none"
    assert found == expected


@pytest.mark.parametrize(
    ("species", "expected"),
    [
        ([{"Na": 0.5}, "Cl"], "disordered"),
        ([{"Na": 0.5, "K": 0.5}, "Cl"], "disordered"),
        (["D", "Cl"], "isotope"),
        (["T", "Cl"], "isotope"),
        (["D+", "Cl-"], "isotope"),
        ([DummySpecies("X"), "Cl"], "unknown_element"),
    ],
)
def test_species_that_no_crystal_can_hold(species, expected):
    structure = Structure(Lattice.cubic(4.1), species, [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(Unusable) as caught:
        refuse_species(structure)
    assert caught.value.reason == expected


def test_charged_ordered_species_pass():
    structure = Structure(Lattice.cubic(4.1), ["Cs+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    refuse_species(structure)
    assert crystal_from_structure(structure, "charged").numbers.tolist() == [55, 17]
