"""Waiting out the errors of a service that pass."""

import time
from collections.abc import Callable
from typing import TypeVar

from data_prep.errors import InputError

ATTEMPTS = 6
FIRST_WAIT = 2.0  # seconds; doubled after every attempt

Answer = TypeVar("Answer")


class Passing(Exception):
    """An error after which the same request may well succeed; its text names the cause."""


def passes(status: int) -> bool:
    """Return whether an HTTP status is one of those that pass: too early, too many requests, a server's trouble."""
    return status in (408, 425, 429) or status >= 500


def patiently(
    call: Callable[[], Answer], service: str, what: str, sleep: Callable[[float], None] = time.sleep
) -> Answer:
    """Return ``call()``, waiting and trying again after ``Passing``, at most ``ATTEMPTS`` times.

    The final ``InputError`` names ``service`` and ``what`` and is raised outside of the handler, so
    that no original exception hangs on it: its request could hold a key.
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
