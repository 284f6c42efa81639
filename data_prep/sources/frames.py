"""What the readers of structure files have in common: the text of a file, and a structure with what was assumed."""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pymatgen.core import Structure
from pymatgen.core.structure import StructureError

from data_prep.quarantine import Unusable

LARGEST_FILE = 2**30  # bytes, unpacked
# Raised by pymatgen, ASE and spglib on damaged files, as observed or documented. LinAlgError and
# UnicodeDecodeError are ValueErrors, NotImplementedError and RecursionError are RuntimeErrors.
PARSER_FAULTS = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    ZeroDivisionError,
    OverflowError,
    RuntimeError,
    OSError,
    SyntaxError,  # for a symbol that pymatgen takes for a Python literal
    StructureError,
    UserWarning,  # pymatgen's BadPoscarWarning, which is raised in spite of its name
)


@dataclass(frozen=True)
class Frame:
    """One structure of a file: its ``name`` there if it has one, and in ``notes`` what the reader had to assume."""

    structure: Structure
    notes: tuple[str, ...] = ()
    name: str = ""


def the_only(frames: Sequence[Frame | Unusable], reason: str) -> Frame:
    """Return the one frame; raises ``Unusable``: its own fault, or for several ``reason`` with their number put in."""
    if len(frames) > 1:
        raise Unusable("several_structures", reason.format(len(frames)))
    if isinstance(frames[0], Unusable):
        raise frames[0]
    return frames[0]


def unreadable(error: Exception) -> Unusable:
    """Return the fault of a file in which a parser failed with ``error``."""
    problem = " ".join(str(error).split()) or "nothing in it can be read"
    return Unusable("unreadable", f"{type(error).__name__}: {problem}")


def read_text(path: Path) -> str:
    """Return the text of a file with plain line ends; it is unpacked if its name ends in ``.gz``.

    UTF-8 or UTF-16 by its byte order mark, else UTF-8, else Latin-1. Raises ``Unusable`` if the file is damaged,
    is no text, or holds more than ``LARGEST_FILE`` bytes.
    """
    data = _bytes(path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    elif b"\0" in data:
        raise Unusable("unreadable", "the file holds bytes that are no text")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _bytes(path: Path) -> bytes:
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise Unusable("unreadable", f"the file is damaged: {error}") from error
    except OSError as error:
        raise Unusable("unreadable", f"the file cannot be opened: {error.strerror or error}") from error
    if len(data) > LARGEST_FILE:
        raise Unusable("too_large", f"it holds more than {LARGEST_FILE // 2**20} MiB")
    return data


def visible_files(folder: Path) -> list[Path]:
    """Return the files of a folder and its subfolders by path, without hidden ones."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not _is_hidden(path.relative_to(folder)))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)
