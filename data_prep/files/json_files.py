"""Read what ``atomic.write_json`` wrote, or say in a sentence how to get it."""

import json
from pathlib import Path
from typing import Any

from data_prep.errors import InputError


def read_json(path: Path, remedy: str) -> Any:
    """Return what a JSON file holds; raises InputError with the ``remedy``, what makes it, where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is not there: {remedy} first.") from None
    except (OSError, ValueError, RecursionError) as error:  # faults of JSON and of UTF-8 are ValueErrors
        raise InputError(f"{path} is damaged ({error}): remove it and {remedy} again.") from error
