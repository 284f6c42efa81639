"""Large weights files as numbered parts: a machine that is lent for a while may hand back small files only."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_prep.files.atomic import UNFINISHED, replacing
from data_prep.files.checksum import file_sha256

PART_BYTES = 16 * 2**20

Checksums = str | list[str]  # of a whole file, or of each of its parts


def split_file(path: Path) -> Checksums:
    """Return the checksum of a file; one of more than ``PART_BYTES`` is first replaced by its parts.

    These are called ``NAME.part-001`` and so on, and their checksums are returned.
    """
    if path.stat().st_size <= PART_BYTES:
        return file_sha256(path)
    sums = []
    with open(path, "rb") as whole:
        while piece := whole.read(PART_BYTES):
            sums.append(hashlib.sha256(piece).hexdigest())
            with replacing(_part(path, len(sums))) as temporary:
                temporary.write_bytes(piece)
    path.unlink()
    return sums


@contextmanager
def joined(path: Path, sums: Checksums | None) -> Iterator[Path]:
    """Yield a whole file: ``path`` itself, or if ``sums`` are those of its parts, a temporary one beside them.

    Without ``sums`` nothing is compared. Raises ValueError if the file does not have its checksum, and naming a part
    that is missing or damaged.
    """
    if sums is None or isinstance(sums, str):
        if sums and file_sha256(path) != sums:
            raise ValueError("its checksum fails")
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix=UNFINISHED, suffix=path.name, dir=path.parent) as whole:
        for number, expected in enumerate(sums, start=1):
            part = _part(path, number)
            if not part.exists():
                raise ValueError(f"its part {part.name} is missing")
            if file_sha256(part) != expected:
                raise ValueError(f"its part {part.name} is damaged")
            with open(part, "rb") as piece:
                shutil.copyfileobj(piece, whole)
        whole.flush()
        yield Path(whole.name)


def _part(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.part-{number:03d}")
