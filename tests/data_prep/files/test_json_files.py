"""A result that cannot be read is named with what makes it, whatever is wrong with it."""

import pytest

from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.files.json_files import read_json


def test_what_was_written_is_read(tmp_path):
    write_json(tmp_path / "a.json", {"Å": [1.5, float("nan")]})
    assert read_json(tmp_path / "a.json", "make it") == {"Å": [1.5, None]}


@pytest.mark.parametrize(
    "content", [b"", b'{"rows": [', b'{"name": "\xff\xfe"}', b"[" * 100_000], ids=["empty", "cut", "UTF-8", "deep"]
)
def test_damage_is_one_sentence(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as stop:
        read_json(path, "run the stage 'evaluate'")
    said = str(stop.value)
    assert said.startswith(f"{path} is damaged (") and said.endswith("remove it and run the stage 'evaluate' again.")
    assert "\n" not in said


def test_what_is_missing_says_what_makes_it(tmp_path):
    with pytest.raises(InputError, match=r"a.json is not there: run 'make table2' first\.$"):
        read_json(tmp_path / "a.json", "run 'make table2'")
