"""NPZ files read with nothing trusted: no pickles, and one exception whatever the damage."""

import struct
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

# What zipfile and NumPy were seen to raise on damaged files. SyntaxError and TokenError: a header that is no
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


class DamagedNpz(Exception):
    """An NPZ file cannot be read; the text says why, the reader says what to do."""


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of an NPZ file by name; never loads a pickled object.

    Raises FileNotFoundError where there is no file and ``DamagedNpz`` where it is anything but a sound NPZ.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # NumPy checks no sum of a member that it does not read to its end
            if (bad := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"the checksum of {bad} fails")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        raise
    except NPZ_FAULTS as error:
        raise DamagedNpz(" ".join(str(error).split()) or type(error).__name__) from error
