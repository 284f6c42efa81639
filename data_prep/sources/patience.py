"""Repeating requests to a service after errors that may pass."""

import time
from collections.abc import Callable
from typing import TypeVar

from data_prep.errors import InputError

ATTEMPTS = 6
FIRST_WAIT = 2.0  # seconds; doubled after every attempt

Answer = TypeVar("Answer")
Sleep = Callable[[float], None]  # takes seconds


class Passing(Exception):
    """An error after which the same request may succeed; its text names the cause."""


def passes(status: int) -> bool:
    """Return whether an HTTP status may pass: timeout, too early, too many requests, an error of the server."""
    return status in (408, 425, 429) or status >= 500


def patiently(call: Callable[[], Answer], service: str, what: str, sleep: Sleep = time.sleep) -> Answer:
    """Return ``call()``, repeated after waiting if it raises ``Passing``, at most ``ATTEMPTS`` times.

    The final ``InputError`` names ``service`` and ``what``. It is raised outside of the handler, so
    that no original exception is attached to it: its request could hold a key.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return call()
        except Passing as fault:
            message = str(fault)
        if attempt < ATTEMPTS:
            sleep(FIRST_WAIT * 2 ** (attempt - 1))
    raise InputError(
        f"{service} failed {ATTEMPTS} times at {what} ({message}); "
        "run the same command later, it goes on where it stopped"
    )
