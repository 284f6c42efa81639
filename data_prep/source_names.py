"""The names of sources, and of the folders called after them; imports none of the sources."""

import re
from pathlib import Path

EMBEDDED, BASES, MATERIALS_PROJECT, OPTIMADE = "embedded", "bases", "materials-project", "optimade"


def is_optimade(source: str) -> bool:
    """Return whether a source is ``optimade`` or ``optimade:URL``."""
    return source == OPTIMADE or source.startswith(f"{OPTIMADE}:")


def source_name(source: str) -> str:
    """Return the name of a source in results: a path without its folder, an OPTIMADE address whole."""
    return source if is_optimade(source) else Path(source).name


def slug(source: str) -> str:
    """Return a source's name for folders: ``optimade:https://oqmd.org/optimade`` is ``optimade-oqmd-org-optimade``."""
    plain = source.replace("https://", "").replace("http://", "")
    return re.sub(r"[/.:]", "-", plain).removesuffix("-")
