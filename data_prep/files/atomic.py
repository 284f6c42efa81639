"""Write a file completely or not at all."""

import csv
import gzip
import io
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

UNFINISHED = ".writing-"  # prefix of a file that is being written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, renamed to ``path`` if the block succeeds.

    A reader sees the old file or the new one, never a part of either; if the block raises, or the
    process dies, ``path`` is untouched. The temporary file has the same suffix, because some writers
    choose their format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _naming(path):
        handle, name = tempfile.mkstemp(prefix=UNFINISHED, suffix="".join(path.suffixes), dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Make an OSError name ``path``: HDF5 and a full disk name no file, others the temporary one."""
    try:
        yield
    except OSError as error:
        if error.filename is None or Path(str(error.filename)).name.startswith(UNFINISHED):
            error.filename = str(path)
        raise


def remove_unfinished(folder: Path) -> None:
    """Remove the unfinished files of a killed process under ``folder``; no other process may be writing there."""
    for path in folder.rglob(f"{UNFINISHED}*"):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically, as UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_gzip(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically as gzipped UTF-8, whose bytes depend on the text alone."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
        file.write(text.encode("utf-8"))
    with replacing(path) as temporary:
        temporary.write_bytes(packed.getvalue())


def write_csv(path: Path, rows: Sequence[dict], columns: Sequence[str] = (), digits: int | None = None) -> None:
    """Write ``rows`` to ``path`` atomically, as ``csv_text`` formats them."""
    write_text(path, csv_text(rows, columns, digits))


def csv_text(rows: Sequence[dict], columns: Sequence[str] = (), digits: int | None = None) -> str:
    """Return ``rows`` as CSV with their own names as columns, or ``columns`` if given; None becomes a blank.

    Floats are rounded to so many significant ``digits``, or keep all of them.
    """
    names = list(columns) or list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row if digits is None else {name: _rounded(value, digits) for name, value in row.items()})
    return text.getvalue()


def _rounded(value: Any, digits: int) -> Any:
    return f"{value:.{digits}g}" if isinstance(value, float) else value


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` atomically as indented JSON; NaN becomes null, arrays become lists."""
    write_text(path, json.dumps(plain(value), indent=1, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """Return ``value`` as JSON can hold it: NaN and infinities become None, arrays lists, paths and keys text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
