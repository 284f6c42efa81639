"""The one exception a user is meant to read, and what a user reads of the system's."""

import os


class InputError(ValueError):
    """A mistake in what the user gave: one sentence that names the file, id or option and says what to do.

    The command line prints it without a traceback and leaves with exit code 2.
    """


def sentence(error: Exception) -> str:
    """Return an error as the sentence that a user reads: an OSError's names its file, any other is one already."""
    if not isinstance(error, OSError):
        return str(error)
    reason = os.strerror(error.errno) if error.errno else error.strerror or error  # HDF5's own is a paragraph
    return f"{error.filename or 'A file'} could not be read or written: {reason}."
