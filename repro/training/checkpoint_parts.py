"""Large weights files as numbered parts: some places that lend a card for a while hand back no larger file."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from data_prep.files.atomic import UNFINISHED, replacing
from data_prep.files.checksum import file_sha256

PART_BYTES = 16 * 2**20


def split_file(path: Path) -> list[str]:
    """Replace a file of more than ``PART_BYTES`` by its parts, ``NAME.part-001`` and so on; return their checksums.

    A smaller file stays as it is, without parts: the list is empty. Parts of an earlier file of this name are removed.
    """
    sums = []
    if path.stat().st_size > PART_BYTES:
        with open(path, "rb") as whole:
            while piece := whole.read(PART_BYTES):
                sums.append(hashlib.sha256(piece).hexdigest())
                with replacing(_part(path, len(sums))) as temporary:
                    temporary.write_bytes(piece)
        path.unlink()
    kept = {_part(path, number) for number in range(1, len(sums) + 1)}
    for part in path.parent.glob(f"{path.name}.part-*"):
        if part not in kept:
            part.unlink()
    return sums


@contextmanager
def joined(path: Path, sums: Sequence[str]) -> Iterator[Path]:
    """Yield a whole file of the parts whose checksums are ``sums``, ``path`` itself if there are none.

    Raises ValueError naming a part that is missing or damaged.
    """
    if not sums:
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
