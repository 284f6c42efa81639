"""How every command ends when it cannot go on: one sentence, exit code 2, no traceback."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from data_prep.errors import InputError, sentence


@contextmanager
def stopping(command: str) -> Iterator[None]:
    """Leave with exit code 2 and one sentence on a user's mistake, a failing file or disk, or an interruption."""
    try:
        yield
    except (InputError, OSError) as error:
        _leave(sentence(error))
    except KeyboardInterrupt:
        _leave(f"{command} was stopped; the same command goes on from the last completed step.")


def _leave(reason: str) -> None:
    print(f"\n{reason}", file=sys.stderr)
    raise SystemExit(2)


def terminate_like_interrupt() -> None:
    """Let SIGTERM, as a scheduler sends it, end a command as Ctrl-C does: files are closed, locks are freed."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
