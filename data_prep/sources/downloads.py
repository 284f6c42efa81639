"""The files of a download: compressed, with their checksums in a manifest beside them."""

import gzip
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data_prep.files.atomic import replacing
from data_prep.files.checksum import file_sha256

MANIFEST = "manifest.json"


def write_compressed(path: Path, value: Any) -> str:
    """Write ``value`` to ``path`` as gzipped JSON, atomically, and return the file's SHA-256."""
    content = gzip.compress(json.dumps(value, separators=(",", ":")).encode(), mtime=0)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def read_compressed(path: Path) -> Any:
    """Return the value that ``write_compressed`` wrote."""
    return json.loads(gzip.decompress(path.read_bytes()))


def intact(path: Path, sha256: str) -> bool:
    """Return whether ``path`` exists and has this checksum."""
    return path.is_file() and file_sha256(path) == sha256


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest in ``folder``; None if missing or damaged."""
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def today() -> str:
    """Return the date in UTC, for the beginning and end of a download."""
    return datetime.now(UTC).date().isoformat()
