"""Locks on folders: while one process makes a folder, no other makes or reads it.

The locks are the system's (fcntl) and go with the process that holds them, even one that is killed.
They are the process's own: it takes no folder twice at a time, because the first of two to be closed frees it.
"""

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from data_prep.errors import InputError

LOCK = ".lock"
_HELD = (errno.EACCES, errno.EAGAIN)  # raised for a lock that another process holds
_LOCKLESS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def making(folder: Path) -> Iterator[None]:
    """Hold ``folder`` alone; raises InputError naming it and the process that makes or reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "a+", encoding="ascii") as file:
        _lock(file, fcntl.LOCK_EX, folder)
        file.truncate(0)
        _sign(file)
        yield


@contextmanager
def waiting(folder: Path) -> Iterator[None]:
    """Hold ``folder`` alone, once the process that holds it has ended; without a lock if the file system has none."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "a+", encoding="ascii") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _LOCKLESS:  # file systems of clusters
                raise
        file.truncate(0)
        _sign(file)
        yield


@contextmanager
def reading(folders: Sequence[Path]) -> Iterator[None]:
    """Hold ``folders`` together with other readers; raises InputError naming one that is being made."""
    with ExitStack() as files:
        for folder in folders:
            file = _open_for_reading(folder)
            if file is not None:
                _lock(files.enter_context(file), fcntl.LOCK_SH, folder)
                _sign(file)
        yield


def _open_for_reading(folder: Path) -> TextIO | None:
    """Return the lock file, or None if there is nothing to protect: no folder, or one nobody can write to."""
    if not folder.is_dir():
        return None
    try:
        return open(folder / LOCK, "a+", encoding="ascii")
    except OSError as error:
        if error.errno in _UNWRITABLE:
            return None
        raise


def _lock(file: TextIO, kind: int, folder: Path) -> None:
    try:
        fcntl.lockf(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _HELD:
            raise
        raise InputError(
            f"{folder} is in use by {_holders(file)}: wait until it has ended, "
            "or work in another folder (--run NAME, --out FOLDER)."
        ) from error


def _sign(file: TextIO) -> None:
    """Leave this process's number for the sentence that another process prints."""
    file.write(f"{os.getpid()}\n")
    file.flush()


def _holders(file: TextIO) -> str:
    file.seek(0)
    written = {int(line) for line in file.read().split() if line.isdigit()}
    living = [str(number) for number in sorted(written) if number != os.getpid() and _lives(number)]
    return f"process {' and '.join(living)}" if living else "another process"


def _lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
