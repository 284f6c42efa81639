"""The benchmark of Perov-5: our row from made-up fingerprints, and the rivals' rows beside it."""

from itertools import permutations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from data_prep.crystal import crystal_from_structure
from data_prep.property_labels import FORMATION_ENERGY
from experiments import perov5
from experiments.perov5_arrangements import above_best, right_way_round
from experiments.reporting.material import Published
from experiments.reporting.stored_sections import benchmark
from experiments.rivals import PEROV5
from models.latent_sampler import LatentSampler
from repro.decoding.knowledge import fit_latent_sampler
from repro.presets import PEROV5 as PEROV5_PRESET
from repro.properties.networks import Prediction
from repro.run import Run
from repro.scoring.fingerprints import Fingerprints
from repro.training.dataset import load_dataset
from repro.training.prepare import data
from tests.support.exit_code import run_experiment as main
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
    made = [crystal_from_structure(one, str(n)) for n, one in enumerate((TITANATE, SWAPPED, close))]
    found = perov5.compute([*made, None], test, tmp_path / "kept", seed=0)
    assert found["samples"] == 4 and found["structure_valid"] == 2 / 4 and found["composition_valid"] == 3 / 4
    assert found["recall"] == 1 / 2 and found["precision"] == 2 / 4  # two perovskites, none like rock salt
    assert found["n_elements_emd"] == pytest.approx(0.5)
    assert found["density_emd"] == pytest.approx((TITANATE.density - SALT.density) / 2)
    assert right_way_round(made, test) == {"count": 2, "right": 0.5}  # A and B exchanged: another crystal


class IonicFirst:
    """A network that finds a crystal the better, the lighter the atom on its first site."""

    def only(self, name):
        return self

    def predict(self, graphs):
        first = np.array([graph.numbers[0] for graph in graphs], dtype=float)
        return {FORMATION_ENERGY: Prediction(first)}


def test_energy_above_the_best_arrangement_of_the_same_elements():
    crystals = [crystal_from_structure(one, "one") for one in (TITANATE, SWAPPED)]
    strontium, titanium, oxygen = 38, 22, 8
    found = above_best(crystals, IonicFirst(), None)
    assert found == {"count": 2, "mean": (strontium + titanium) / 2 - oxygen, "best": 0.0}
    oxygen_first = crystal_from_structure(perovskite("O", "Ti", "O", 3.9), "other")
    assert above_best([oxygen_first], IonicFirst(), None) == {"count": 1, "mean": 0.0, "best": 1.0}
    assert above_best([crystal_from_structure(TITANATE * (2, 1, 1), "large")], IonicFirst(), None)["count"] == 0


@pytest.fixture
def run(tmp_path):
    """A run of the preset on a table in CDVAE's format, of perovskites with two kinds of anions."""
    metals = ("Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu")
    rows = []
    for number, (one, other) in enumerate(permutations(metals, 2)):
        crystal = perovskite(one, other, "O", 3.9)
        crystal.replace(4, "N" if number % 2 else "O")
        rows.append({"material_id": str(number), "cif": str(CifWriter(crystal)), "heat_all": number / 10})
    table = tmp_path / "perov.csv"
    pd.DataFrame(rows).to_csv(table)
    found = Run(PEROV5_PRESET, str(table), "perov", tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        found.folder("data").mkdir(parents=True)
        data(found)
        yield found


def test_crystals_of_every_stoichiometry_are_used_and_a_tenth_is_held_out(run):
    dataset = load_dataset(run)
    assert {one.family for one in dataset.crystals} == {"ABX3", "ABCD2"} and len(dataset.crystals) == 56
    held_out, facts = perov5._test_crystals(run, None, 0)
    assert [one.id for one in held_out] == [dataset.crystals[index].id for index in dataset.indices("test")]
    assert facts == {"test": "the held-out part of perov.csv", "rows": 6, "not_read": 0}
    rows, facts = perov5._test_crystals(run, Path(run.source), 5)
    assert [one.id for one in rows] == ["0", "1", "2", "3", "4"] and facts["test"] == "perov.csv"


def test_latents_are_drawn_from_any_family(run):
    dataset = load_dataset(run)
    train = dataset.indices("train")
    rng = np.random.default_rng(0)
    sampler = fit_latent_sampler(dataset, train, rng.normal(size=(len(train), 4)), np.zeros((len(train), 4)))
    assert np.unique(sampler.families).tolist() == [1, 3]  # ABX3, and ABCD2 after the paper's three
    assert LatentSampler.from_arrays(sampler.arrays(), 4).draw(0, 1.0, rng).shape == (4,)


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (["10000", "0"], "--samples 0 asks for nothing: give 1 or more for each generator."),
        (["1", "2", "3"], "--samples has 3 numbers, there are 2 generators: give one, or one for each."),
    ],
)
def test_samples_that_cannot_be_made_are_refused_before_anything_is_read(monkeypatch, capsys, samples, said):
    monkeypatch.setattr(perov5, "require_matminer", lambda: None)
    assert main(["perov5", "--preset", "smoke", "--generator", "one", "two", "--samples", *samples]) == 2
    assert said in capsys.readouterr().err


def test_the_table_has_the_rivals_below_ours(tmp_path):
    rebuilt = {"count": 10, "matched": 0.9, "rmse": 0.0123, "matched_valid": 0.8, "rmse_valid": 0.01}
    made = {"samples": 100, "structure_valid": 1.0, "composition_valid": 0.985, "recall": 0.9, "precision": 0.8,
            "density_emd": 0.1, "n_elements_emd": 0.02}  # fmt: skip
    arrangement = {name: {"count": 0} for name in ("known", "generated", "test")}
    mine = {"generator": "mine", "trained_on": 3238, "reconstruction": rebuilt, "generation": made,
            "arrangement": arrangement}  # fmt: skip
    found = {"test": "test.csv", "rows": 10, "not_read": 0, "measured": [mine]}
    ours, *others = perov5.rows(found)
    assert ours == ["ours (mine)", "90.00", "0.0123", "80.00", "100.00", "98.50", "90.00", "80.00", "0.100", "0.0200"]
    assert len(others) == len(PEROV5) == 6 and {len(row) for row in others} == {len(perov5.HEADER)}
    assert others[1][:3] == ["Cond-DFC-VAE, as its rivals ran it", "51.65", "0.0217"]
    page = perov5.text(found)
    assert page.startswith("Trained: mine on 3,238 structures; the rivals on 11,356 structures")
    assert "Ours on 10 rows: test.csv, with 100 samples." in page
    with_real = perov5.rows(found | {"ceiling": made | {"samples": 1000, "precision": 0.667}})
    assert with_real[1][:4] == ["1,000 real crystals of the training part", "–", "–", "–"]
    assert with_real[1][7] == "66.70" and with_real[2:] == others
    assert [path.name for path in perov5.render(found, tmp_path / "perov5")] == ["perov5.json", "perov5.md"]
    section = benchmark(SimpleNamespace(published=Published(perov5=found)))
    table, statement = section.blocks
    assert table.rows[0][0] == "ours (mine)" and statement.text == "mine: 0 samples have the composition of a row."
    (nothing,) = benchmark(SimpleNamespace(published=Published())).blocks
    assert nothing.text.startswith("Not run yet: make perov5")
