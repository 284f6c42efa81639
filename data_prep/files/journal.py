"""A journal of finished work, with which a killed run continues."""

import json
import os
from pathlib import Path
from typing import Any

from data_prep.errors import InputError


class Journal:
    """JSON lines: a header with everything that the results depend on, then one line per finished item.

    A last line without a newline (the process was killed while writing) is removed on opening.
    """

    def __init__(self, path: Path, header: dict[str, Any]):
        """Open or create the journal; raises ``InputError`` if it is damaged or was written under another header."""
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lines = _complete_lines(self.path)
            written = [json.loads(line) for line in lines]
            self.items: dict[str, dict[str, Any]] = {item["key"]: item for item in written[1:]}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path} is damaged ({error}): move it away, and all is done again.") from error
        if written and written[0] != header:
            raise InputError(f"{self.path} was written with other settings or versions: move it away or name another.")
        if not lines:
            self._append([header])

    def add(self, items: list[dict[str, Any]]) -> None:
        """Append finished items, each with its ``key``, and force them to the disk."""
        self._append(items)
        self.items.update({item["key"]: item for item in items})

    def _append(self, values: list[dict[str, Any]]) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(value, sort_keys=True) + "\n" for value in values)
            file.flush()
            os.fsync(file.fileno())


def _complete_lines(path: Path) -> list[str]:
    """Return the lines of the file, after removing a last one without a newline."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    return whole.decode("utf-8").splitlines()
