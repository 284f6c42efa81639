"""Checksums of files, with which published and stored files are verified."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remembered_sha256(path: Path) -> str:
    """Return the sha256 of a file, which a process reads again only if its size or modification time has changed.

    For what a user may edit, not for what may be damaged: damage can leave both as they were.
    """
    status = path.stat()
    return _sha256_of(path.absolute(), status.st_size, status.st_mtime_ns)


@cache
def _sha256_of(path: Path, size: int, modified: int) -> str:
    return file_sha256(path)


def files_sha256(folder: Path, files: Iterable[Path]) -> str:
    """Return one sha256 of the names and the remembered contents of ``files``, which lie in ``folder`` or below."""
    lines = (f"{remembered_sha256(path)} {path.relative_to(folder).as_posix()}\n" for path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
