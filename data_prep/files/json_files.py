"""Reading of JSON files that ``atomic.write_json`` wrote."""

import json
from pathlib import Path
from typing import Any

from data_prep.errors import InputError


def read_json(path: Path, remedy: str) -> Any:
    """Return the content of a JSON file; raises InputError with the ``remedy`` if it is missing or damaged.

    ``remedy`` names what writes the file, such as "run 'make evaluate'".
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is not there: {remedy} first.") from None
    except (OSError, ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
        raise InputError(f"{path} is damaged ({error}): remove it and {remedy} again.") from error
