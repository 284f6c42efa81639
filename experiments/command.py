"""How a command of ``experiments`` ends where it cannot go on: with one sentence and exit code 2, as the stages do."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from data_prep.errors import InputError, sentence


@contextmanager
def stopping(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Leave with exit code 2 and a sentence on a mistake of the user, weights that do not fit, or a file or disk."""
    try:
        yield
    except (InputError, OSError) as error:
        parser.exit(2, f"{sentence(error)}\n")
