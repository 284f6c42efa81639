"""The one exception a user is meant to read."""


class InputError(ValueError):
    """A mistake in what the user gave: one sentence that names the file, id or option and says what to do.

    The command line prints it without a traceback and leaves with exit code 2.
    """
