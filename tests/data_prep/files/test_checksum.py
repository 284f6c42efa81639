"""Checksums of files that are remembered in a process."""

import hashlib
import os
from pathlib import Path

from data_prep.files.checksum import file_sha256, files_sha256, remembered_sha256


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_an_edit_is_seen_by_its_size_or_its_time(tmp_path):
    path = tmp_path / "nacl.cif"
    path.write_text("5.64")
    assert remembered_sha256(path) == file_sha256(path) == sha256("5.64")
    path.write_text("5.640")
    assert remembered_sha256(path) == sha256("5.640")
    path.write_text("5.650")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert remembered_sha256(path) == sha256("5.650")


def test_a_relative_path_means_another_file_in_another_folder(tmp_path, monkeypatch):
    for folder, text in (("one", "5.64"), ("two", "6.29")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.cif").write_text(text)
        os.utime(tmp_path / folder / "a.cif", ns=(0, 0))
    found = []
    for folder in ("one", "two"):
        monkeypatch.chdir(tmp_path / folder)
        found.append(remembered_sha256(Path("a.cif")))
    assert found == [sha256("5.64"), sha256("6.29")]


def test_a_folder_counts_by_names_and_contents(tmp_path):
    for name in ("a.cif", "b.cif"):
        (tmp_path / name).write_text(name)
    files = [tmp_path / "a.cif", tmp_path / "b.cif"]
    assert files_sha256(tmp_path, files) == sha256(f"{sha256('a.cif')} a.cif\n{sha256('b.cif')} b.cif\n")
