"""The order of the candidates."""

from repro.generation.candidate_files import rank

VALID = {"valid": True, "n_elements": 2, "same_stoichiometry": True}


def test_valid_compounds_of_the_base_with_low_energies_come_first():
    wanted = [
        VALID | {"id": "lowest", "formation_energy_per_atom": -2.0},
        VALID | {"id": "higher", "formation_energy_per_atom": -1.0},
        VALID | {"id": "without energy"},
        VALID | {"id": "other stoichiometry", "same_stoichiometry": False, "formation_energy_per_atom": -3.0},
        VALID | {"id": "crowded", "closeness": 0.5, "formation_energy_per_atom": -8.0},
        VALID | {"id": "an element", "n_elements": 1, "formation_energy_per_atom": -9.0},
        {"id": "invalid", "valid": False},
    ]
    assert sorted(reversed(wanted), key=rank) == wanted
