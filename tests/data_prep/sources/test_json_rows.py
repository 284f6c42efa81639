"""JSON as services and people write it: every entry is a row under its own id, or is named."""

import json
from pathlib import Path

import pytest

from data_prep.errors import InputError
from data_prep.sources import read_source
from data_prep.sources.structure_files import read_structures
from tests.support.structure_types import rock_salt

SALT, ASH = rock_salt("Na", "Cl", 5.64).as_dict(), rock_salt("K", "Cl", 6.29).as_dict()
WHOLE = {"material_id": "mp-1", "structure": SALT}
EMPTY = {"material_id": "mp-2", "symmetry": {"number": 225}}


def read(folder: Path, found: object) -> tuple[dict[str, str], dict[str, str]]:
    """Return the formulas of what a JSON file gives and the reasons for what it lacks, by id."""
    path = folder / "it.json"
    path.write_text(json.dumps(found))
    crystals, rejected = read_structures(path)
    return {one.id: one.formula for one in crystals}, {item.id: item.detail for item in rejected}


@pytest.mark.parametrize("name", ["mp_id", "material_id", "id", "entry_id", "task_id", "jid", "mbid"])
def test_an_entry_keeps_its_id_with_its_structure_in_it_or_without_one(tmp_path, name):
    entries = [{"structure": SALT}, {}, {"output": {"final": ASH}, "band_gap": 5.0}]
    entries = [{name: f"mp-{number}"} | one for number, one in enumerate(entries, start=1)]
    assert read(tmp_path, entries) == ({"mp-1": "NaCl", "mp-3": "KCl"}, {"mp-2": "the row has no structure"})
    crystals, [only] = read_source(str(tmp_path / "it.json"))
    assert only.id == "mp-2" and crystals[1].properties == {"band_gap": 5.0, "spacegroup": 225.0}
    assert read(tmp_path, entries[2]) == ({"mp-3": "KCl"}, {})
    assert read(tmp_path, {name: "mp-1"} | SALT) == ({"mp-1": "NaCl"}, {})


@pytest.mark.parametrize(
    ("found", "formulas", "left_out"),
    [
        ({"data": [WHOLE, EMPTY], "meta": {"count": 2}}, ["mp-1"], ["mp-2"]),
        ({"mp-1": WHOLE, "mp-2": EMPTY}, ["mp-1"], ["mp-2"]),
        ({"mp-1": SALT, "mp-2": {"band_gap": 5.0}}, ["mp-1"], ["mp-2"]),
        ({"relaxed": SALT, "symmetry": {"number": 225}, "band_gap": 5.0}, ["relaxed"], []),  # one document, not two
        ([WHOLE, {"band_gap": 5.0}, None, []], ["mp-1"], ["row 2", "row 3", "row 4"]),
        ([{"id": "a", "one": SALT, "two": {"entry_id": "b", "structure": ASH}}], ["a/one", "a/two"], []),
        ([{"id": "a", "entries": [{"energy": -3.4}], "relaxed": SALT}], ["a"], []),
        ([{"id": "a", "entries": [{"energy": -3.4}]}, WHOLE], ["mp-1"], ["a"]),
        ({"id": "request 7", "response": [WHOLE, EMPTY]}, ["mp-1"], ["mp-2"]),
        ([{"id": "a", "structures": [SALT]}, WHOLE], ["a", "mp-1"], []),
    ],
)  # fmt: skip
def test_every_entry_is_read_or_named(tmp_path, found, formulas, left_out):
    read_as, reasons = read(tmp_path, found)
    assert list(read_as) == formulas and reasons == dict.fromkeys(left_out, "the row has no structure")


@pytest.mark.parametrize("found", [[EMPTY], [1, 2], {"mp-2": EMPTY}, {"columns": ["a"], "data": [[1]]}])
def test_entries_without_any_structure_are_another_kind_of_file(tmp_path, found):
    formulas, reasons = read(tmp_path, found)
    assert formulas == {} and list(reasons) == ["it.json"] and "it.json holds no structure; give" in reasons["it.json"]
    with pytest.raises(InputError, match="holds no structure"):
        read_source(str(tmp_path / "it.json"))


def test_each_level_of_a_deep_document_is_read_once(tmp_path):
    found = WHOLE
    for _ in range(40):
        found = {"entries": [{"other": found}]}  # read twice at each level, it would never end
    assert read(tmp_path, {"id": "a", "calculations": found}) == ({"a": "NaCl"}, {})
