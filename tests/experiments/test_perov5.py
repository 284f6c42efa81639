"""The benchmark of Perov-5: our row from made-up fingerprints, and the rivals' rows beside it."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from data_prep.crystal import crystal_from_structure
from experiments import perov5
from experiments.rivals import PEROV5
from repro.scoring.fingerprints import Fingerprints
from tests.support.made_up_scores import SALT, TITANATE
from tests.support.structure_types import perovskite

SWAPPED = perovskite("Ti", "Sr", "O", 3.9)


@pytest.fixture
def one_value_each(monkeypatch):
    """Fingerprints that are the number of elements and of sites."""

    def made_up(crystals, kept, what):
        elements = np.array([[len(np.unique(one.numbers))] for one in crystals], dtype=float).reshape(-1, 1)
        return Fingerprints(elements, 10.0 * np.array([[one.n_sites] for one in crystals]).reshape(-1, 1))

    monkeypatch.setattr(perov5, "fingerprints", made_up)


def test_generated_structures_beside_a_test_set(one_value_each, tmp_path):
    close = Structure(Lattice.cubic(5), ["Fe", "Ni"], [[0, 0, 0], [0.09, 0, 0]])
    test = [crystal_from_structure(one, str(n)) for n, one in enumerate((TITANATE, SALT))]
    found = perov5.compute([TITANATE, SWAPPED, close, None], test, tmp_path / "kept", seed=0)
    assert found["samples"] == 4 and found["structure_valid"] == 2 / 4 and found["composition_valid"] == 3 / 4
    assert found["recall"] == 1 / 2 and found["precision"] == 2 / 4  # two perovskites, none like rock salt
    assert found["n_elements_emd"] == pytest.approx(0.5)
    assert found["density_emd"] == pytest.approx((TITANATE.density - SALT.density) / 2)
    assert found["arrangement"] == {"count": 2, "right": 0.5}  # A and B exchanged: another crystal


def test_the_table_has_the_rivals_below_ours(tmp_path):
    rebuilt = {"count": 10, "matched": 0.9, "rmse": 0.0123, "matched_valid": 0.8, "rmse_valid": 0.01}
    made = {"samples": 100, "structure_valid": 1.0, "composition_valid": 0.985, "recall": 0.9, "precision": 0.8,
            "density_emd": 0.1, "n_elements_emd": 0.02, "arrangement": {"count": 0, "right": None}}  # fmt: skip
    found = {"generator": "mine", "test": "test.csv", "rows": 10, "not_read": 0, "unseen_elements": 1,
             "reconstruction": rebuilt, "generation": made}  # fmt: skip
    ours, *others = perov5.rows(found)
    assert ours == ["ours (mine)", "90.00", "0.0123", "80.00", "100.00", "98.50", "90.00", "80.00", "0.100", "0.0200"]
    assert len(others) == len(PEROV5) == 6 and {len(row) for row in others} == {len(perov5.HEADER)}
    assert others[1][:3] == ["Cond-DFC-VAE, as its rivals ran it", "51.65", "0.0217"]
    page = perov5.text(found)
    assert "mine on 10 rows of test.csv (1 with an element that it never saw) and 100 samples" in page
    assert [path.name for path in perov5.render(found, tmp_path / "perov5")] == ["perov5.json", "perov5.md"]
