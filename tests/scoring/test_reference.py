"""The known crystals: any source, with energies, without them, or with some of another generation."""

import pytest

from data_prep.errors import InputError
from repro.scoring.reference import read_reference
from tests.support.made_up_scores import HALITE, SALT, TITANATE, reference_table


def test_a_table_with_energies_has_the_lowest_first(tmp_path):
    table = reference_table(tmp_path, SALT, SALT, TITANATE)
    table.write_text(table.read_text().replace("-2.1", "-1.9", 1))
    reference = read_reference(str(table))
    assert [one.id for one in reference.by_formula["NaCl"]] == ["known-2", "known-1"]
    assert reference.name == "reference.csv" and reference.numbers.n_elements.tolist() == [2, 2, 3]
    assert reference.numbers.density[0] == pytest.approx(SALT.density, rel=1e-6)


def test_labels_of_another_generation_are_left_out_but_not_their_crystals(tmp_path):
    table = reference_table(tmp_path, SALT, HALITE)
    head, first, second = table.read_text().splitlines()
    table.write_text(f"{head},ef_source\n{first},mp_2020_by_id\n{second},mp_2021_corrections\n")
    (halite,) = read_reference(str(table)).by_formula["KCl"]
    assert halite.formation_energy_per_atom != halite.formation_energy_per_atom  # NaN


def test_crystals_without_a_usable_label_are_known_all_the_same(tmp_path, capsys):
    table = reference_table(tmp_path, SALT, HALITE)
    table.write_text(table.read_text().replace("-2.1", "n/a", 1) + "known-3,1,1\n")
    assert {one.formula for one in read_reference(str(table)).crystals} == {"NaCl", "KCl"}
    assert "known-3: left out" in capsys.readouterr().err
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, structure in (("salt", SALT), ("halite", HALITE)):
        structure.to(str(folder / f"{name}.cif"), fmt="cif")
    (folder / "labels.csv").write_text("id,formation_energy_per_atom\nsalt,-2.1\n")
    assert sorted(read_reference(str(folder)).by_formula) == ["KCl", "NaCl"]


def test_the_nearest_formula_changes_the_fewest_atoms(tmp_path):
    reference = read_reference(str(reference_table(tmp_path, SALT, TITANATE, label=None)))
    assert reference.nearest_formula("BaTiO3") == "SrTiO3" and reference.nearest_formula("NaBr") == "NaCl"


def test_another_energy_or_cell_is_another_reference(tmp_path):
    one = read_reference(str(reference_table(tmp_path, SALT)))
    assert read_reference(str(reference_table(tmp_path, SALT))).identity == one.identity
    assert read_reference(str(reference_table(tmp_path, SALT, label="-2.0"))).identity != one.identity
    assert read_reference(str(reference_table(tmp_path, HALITE))).identity != one.identity


def test_a_folder_of_structures_is_a_reference_without_energies(tmp_path):
    SALT.to(str(tmp_path / "salt.cif"), fmt="cif")
    assert [one.id for one in read_reference(str(tmp_path)).crystals] == ["salt.cif"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty has no structure file"):
        read_reference(str(tmp_path / "empty"))
