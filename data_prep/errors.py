"""The exception that a user is meant to read, and the sentence for an error of the system."""

import os


class InputError(ValueError):
    """A mistake of the user: one sentence that names the file, id or option and the remedy.

    The command line prints it without a traceback and leaves with exit code 2.
    """


class NoStructure(InputError):
    """A file that can be read, but that has no place for a structure: it is something else."""


def sentence(error: Exception) -> str:
    """Return the sentence for a user: of an OSError its file and reason, of another error its own text."""
    if not isinstance(error, OSError):
        return str(error)
    reason = os.strerror(error.errno) if error.errno else error.strerror or error  # HDF5's own is a paragraph
    return f"{error.filename or 'A file'} could not be read or written: {reason}."
