"""The property networks that come with the project: crystals that everybody knows, and candidates."""

import csv
from pathlib import Path

import pytest

from data_prep.crystal import crystal_from_structure
from data_prep.graphs import crystal_graph
from data_prep.property_labels import PROPERTIES
from repro.__main__ import main
from repro.network_folders import WEIGHTS
from repro.properties.network_folder import load_property_networks
from repro.stored_weights import read_network
from tests.support.exit_code import exit_code
from tests.support.structure_types import face_centred, perovskite, rock_salt

pytestmark = pytest.mark.slow
# Measured: enthalpy of formation (CRC Handbook), eV/atom, and bulk modulus, GPa.
KNOWN = {
    "NaCl": (rock_salt("Na", "Cl", 5.64), -2.13, 25),
    "Si": (face_centred(5.43, Si=(0, 0, 0), Ge=(0.25, 0.25, 0.25)).replace_species({"Ge": "Si"}), 0.0, 98),
    "SrTiO3": (perovskite("Sr", "Ti", "O", 3.905), -3.47, 174),
}


@pytest.mark.parametrize(("folder", "of_energy", "parameters"), [("cgcnn", 5, 45_830), ("cgcnn-improved", 1, 377_735)])
def test_known_crystals_get_about_what_is_measured(folder, of_energy, parameters):
    networks = load_property_networks(WEIGHTS / folder)
    assert networks.by_property.keys() == PROPERTIES.keys()
    assert len(networks.by_property["formation_energy_per_atom"]) == of_energy
    for path in (WEIGHTS / folder).glob("*.weights.h5"):
        arrays = read_network(path, lambda found: [array for of_layer in found.values() for array in of_layer])
        assert sum(array.size for array in arrays) == parameters
    graphs = [crystal_graph(crystal_from_structure(structure, name)) for name, (structure, *_) in KNOWN.items()]
    found = networks.predict(graphs)
    _, energies, moduli = zip(*KNOWN.values(), strict=True)
    assert found["formation_energy_per_atom"].values == pytest.approx(energies, abs=0.15)
    assert found["bulk_modulus"].values == pytest.approx(moduli, rel=0.25)
    gaps = found["band_gap"].values
    assert gaps[0] > 4 and gaps[1] < 1 and 0.5 < gaps[2] < 3  # salt, semiconductor, and between, as DFT has them


def test_candidates_are_ranked_by_the_property_networks_asked_for(tmp_path):
    out, improved = tmp_path / "out", str(WEIGHTS / "cgcnn-improved")
    asked = ["--base", "SrTiO3", "--count", "4", "--property-weights", improved, "--out", str(out)]
    assert exit_code(main, ["generate", *asked]) == 0
    assert (
        exit_code(main, ["predict", str(out / "cifs"), "--weights", improved, "--out", str(tmp_path / "again.csv")])
        == 0
    )
    candidates = list(csv.DictReader((out / "candidates.csv").open()))
    again = {row["id"]: row for row in csv.DictReader((tmp_path / "again.csv").open())}
    assert len(candidates) == len(again) == 4
    for row in candidates:
        energy = float(again[Path(row["file"]).name]["formation_energy_per_atom (eV/atom)"])
        assert float(row["formation_energy_per_atom"]) == pytest.approx(energy, abs=0.01)
        assert row["formation_energy_spread"] == ""  # of several networks only
    covered = [float(row["probability_within_0.1"]) for row in candidates if row["hull_covered"] == "True"]
    assert covered and covered == sorted(covered, reverse=True)


def test_property_networks_that_are_not_there_are_named_before_anything_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    kept = {tmp_path / "generated-random-0" / name for name in ("cifs/of-before.cif", "candidates.csv")}
    (tmp_path / "generated-random-0/cifs").mkdir(parents=True)
    for path in kept:
        path.touch()
    assert exit_code(main, ["generate", "--random", "--count", "1", "--property-weights", str(tmp_path)]) == 2
    assert f"{tmp_path / 'manifest.json'} is missing" in capsys.readouterr().err
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == kept
