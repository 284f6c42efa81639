"""The element features: one-hot blocks, by hand for two elements, and beside the released table."""

import json

import numpy as np
from pymatgen.core import Element

from data_prep.element_features import FEATURES, element_features, feature_bins


def test_element_features_are_one_hot_blocks():
    table = element_features()
    assert table.shape == (95, 93) and table is element_features() and not table[0].any()
    edges = np.cumsum([0, *FEATURES.values()])
    for start, stop, name in zip(edges, edges[1:], FEATURES, strict=False):
        assert set(np.unique(table[1:, start:stop].sum(1))) <= {0.0, 1.0}, name
        missing = [Element.from_Z(z).symbol for z in range(1, 95) if not table[z, start:stop].any()]
        assert missing == {"electronegativity": ["He", "Ne", "Ar"], "atomic volume": ["At", "Fr"]}.get(name, [])
    assert len(np.unique(table[1:], axis=0)) == 92  # Dy, Ho and Er alone share a row


def test_element_features_of_iron_and_cerium():
    iron, cerium = feature_bins(Element("Fe")), feature_bins(Element("Ce"))
    assert (iron["group"], iron["period"], iron["valence electrons"], iron["block"]) == (7, 3, 7, 2)
    assert iron["electronegativity"] == int((1.83 - 0.5) / 0.35)
    assert iron["first ionization energy"] == int((np.log(7.902) - 1.3) / 0.2)
    assert (cerium["group"], cerium["period"], cerium["valence electrons"], cerium["block"]) == (2, 7, 3, 3)


def test_element_features_agree_with_the_released_ones(shared):
    # The released table orders and bins some properties otherwise; group and period must be the same.
    released = json.loads((shared / "reference/icsg3d/atom_init.json").read_text())
    theirs = np.array([released[str(z)] for z in range(1, 95)])
    ours = element_features()[1:]
    np.testing.assert_array_equal(ours[:, :18], theirs[:, 34:52])
    np.testing.assert_array_equal(ours[:, 18:27], theirs[:, 72:81])
    blocks = (ours[:, 79:83] == theirs[:, 10:14]).all(1)
    assert [Element.from_Z(int(z)).symbol for z in np.flatnonzero(~blocks) + 1] == ["He", "La", "Lu", "Ac"]
