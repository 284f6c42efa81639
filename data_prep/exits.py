"""How a command ends if it cannot go on: one sentence on standard error and exit code 2."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from data_prep.errors import InputError, sentence

RESUMES = "the same command goes on from the last completed step"


@contextmanager
def stopping(command: str, after: str = RESUMES) -> Iterator[None]:
    """Turn a user's mistake, a file that cannot be read or written, and an interrupt into a sentence and exit code 2.

    ``command`` names what was interrupted, ``after`` says what happens next. From here on SIGTERM, which batch systems
    send, ends this process as Ctrl-C does: files are closed, locks are freed.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except (InputError, OSError) as error:
        _leave(sentence(error))
    except KeyboardInterrupt:
        _leave(f"{command} was stopped; {after}.")


def _leave(reason: str) -> None:
    print(reason, file=sys.stderr)
    raise SystemExit(2)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
