"""Stored calculations: their keys, damage, and limits of time."""

import pytest

from data_prep.errors import InputError
from repro.relaxation.calculation_store import CONVERGED, TIME_LIMIT, Store, key_of, structure_from, structure_record
from tests.support.emt import b2


def test_the_key_follows_structure_and_method():
    one = b2("Cu", "Au", 3.1)
    assert key_of(one, {"a": 1}) == key_of(structure_from(structure_record(one)), {"a": 1})
    assert len({key_of(one, {"a": 1}), key_of(one, {"a": 2}), key_of(b2("Cu", "Au", 3.11), {"a": 1})}) == 3


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
def test_a_damaged_record_is_named(tmp_path, text):
    store = Store(tmp_path)
    store.put("x", {"status": CONVERGED})
    (tmp_path / "records" / "x.json").write_text(text)
    with pytest.raises(InputError, match="x.json is damaged"):
        store.get("x")


def test_the_limit_of_older_records_is_read_from_their_reason(tmp_path):
    store = Store(tmp_path)
    store.put("pw", {"status": TIME_LIMIT, "reason": "not converged within 86400 s"})
    store.put("chgnet", {"status": TIME_LIMIT, "reason": "not converged within 120 s of CPU time"})
    assert store.get("pw", 86400.0) and store.get("pw", 86401.0) is None
    assert store.get("chgnet", 120.0) and store.get("chgnet", 121.0) is None
