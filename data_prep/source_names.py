"""Sources that have a name instead of a path, and what folders are called after them."""

import re
from pathlib import Path

EMBEDDED, MATERIALS_PROJECT, OPTIMADE = "embedded", "materials-project", "optimade"


def is_optimade(source: str) -> bool:
    """Return whether a source is ``optimade`` or ``optimade:URL``."""
    return source == OPTIMADE or source.startswith(f"{OPTIMADE}:")


def source_name(source: str) -> str:
    """Return a source without the folder it lies in, an OPTIMADE address whole: what results say of it."""
    return source if is_optimade(source) else Path(source).name


def slug(source: str) -> str:
    """Return a source's name for folders: ``optimade:https://oqmd.org/optimade`` is ``optimade-oqmd-org-optimade``."""
    plain = source.replace("https://", "").replace("http://", "")
    return re.sub(r"[/.:]", "-", plain).removesuffix("-")
