"""Reading of NPZ files without trust: no pickles, and one exception for any damage."""

import struct
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from data_prep.files.atomic import replacing

# Raised by zipfile and NumPy on damaged files, as observed. SyntaxError and TokenError: a header that is not
# Python; MemoryError and OverflowError: a shape beyond reason; RuntimeError: an encrypted or unknown member;
# TypeError and AttributeError: an NPY or plain pickle of this name.
NPZ_FAULTS = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    EOFError,
    SyntaxError,
    MemoryError,
    OverflowError,
    RuntimeError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

END_RECORD = struct.Struct("<4s4H2LH")  # of a ZIP file: its fifth number counts the members


class DamagedNpz(Exception):
    """An NPZ file cannot be read; the text is the reason, the caller adds the remedy."""


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of an NPZ file by name; never loads a pickled object.

    Raises FileNotFoundError if there is no file, and ``DamagedNpz`` if it is not an intact NPZ file.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # NumPy checks the checksum only of members that it reads to the end
            if (bad := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"the checksum of {bad} fails")
            _refuse_lost_members(path, len(archive.infolist()))
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        if strange := [name for name, array in found.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"{strange[0]} is no array")  # NumPy returns a member without an array's header as bytes
        return found
    except FileNotFoundError:
        raise
    except NPZ_FAULTS as error:
        raise DamagedNpz(" ".join(str(error).split()) or type(error).__name__) from error


def write_npz(path: Path, arrays: dict[str, np.ndarray], compressed: bool = False) -> None:
    """Write arrays by name to ``path`` atomically."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, **arrays)


def _refuse_lost_members(path: Path, found: int) -> None:
    """Raise BadZipFile if the record at the end of the file counts another number of members than were found, or none.

    zipfile reads the directory up to its possibly damaged length, and does not compare it with anything.
    """
    with open(path, "rb") as file:
        file.seek(-END_RECORD.size, 2)  # NumPy writes no comment behind it
        signature, _, _, _, count, *_ = END_RECORD.unpack(file.read())
    if not found or (signature, count) != (b"PK\5\6", found):
        raise zipfile.BadZipFile(f"it holds {found} arrays, not the number that it states")
