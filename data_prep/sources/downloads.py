"""What a download keeps: compressed files with their checksums in a manifest beside them."""

import gzip
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data_prep.files.atomic import replacing

MANIFEST = "manifest.json"


def write_compressed(path: Path, value: Any) -> str:
    """Write ``value`` to ``path`` as gzipped JSON, whole or not at all, and return the file's SHA-256."""
    content = gzip.compress(json.dumps(value, separators=(",", ":")).encode(), mtime=0)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def read_compressed(path: Path) -> Any:
    """Return what ``write_compressed`` wrote."""
    return json.loads(gzip.decompress(path.read_bytes()))


def intact(path: Path, sha256: str) -> bool:
    """Return whether ``path`` is there and as it was written."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest in ``folder``; None where it is absent or damaged."""
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def today() -> str:
    """Return the date in UTC, as a manifest says when a download began and ended."""
    return datetime.now(UTC).date().isoformat()
