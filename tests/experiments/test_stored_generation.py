"""Reading the stage ``generate``: every column of its table has the kind that a candidate gives it."""

import csv
from dataclasses import fields

from experiments.stored import CANDIDATES
from experiments.stored_generation import read_candidates
from repro.generation.candidates import COLUMNS, Candidate


def test_every_column_of_a_candidate_can_be_read(tmp_path):
    texts = {one.name for one in fields(Candidate) if "str" in str(one.type)} & set(COLUMNS) | {"decomposition"}
    row = {name: "text" if name in texts else "1" for name in COLUMNS}
    path = tmp_path / CANDIDATES
    path.parent.mkdir(parents=True)
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows([row | {"valid": "True"}, row | {"valid": "", "formation_energy_per_atom": ""}])
    valid, other = read_candidates(tmp_path)
    assert {name for name, value in valid.items() if isinstance(value, str)} == texts
    assert (valid["valid"], valid["condition"], valid["bulk_modulus"], valid["closeness"]) == (True, 1, 1.0, 1.0)
    assert (other["valid"], other["formation_energy_per_atom"]) == (False, None)
