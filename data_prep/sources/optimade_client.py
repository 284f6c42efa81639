"""An OPTIMADE provider through the consortium's own client: one page at a time, with retries."""

import time
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.metadata import version
from io import StringIO
from typing import Any

from data_prep.errors import InputError
from data_prep.sources.patience import Passing, Sleep, passes, patiently

PAGE_LIMIT = 100  # entries in a page; if a provider refuses it, its own default is used
TIMEOUT = 60.0  # seconds without a byte
MOST_WAITED = 5.0  # seconds between two pages, whatever the provider requests


class Refused(InputError):
    """The provider will not answer this request, however often it is repeated."""


@dataclass(frozen=True)
class Page:
    """One answer: its entries, the address of the ``next``, and the provider's count of all (None: unknown)."""

    entries: list[dict[str, Any]]
    next: str | None
    total: int | None
    provider: dict[str, Any]


class Provider:
    """One OPTIMADE database, asked through ``optimade.client.OptimadeClient``.

    Raises ``InputError`` if the client is not installed.
    """

    def __init__(self, url: str, sleep: Sleep = time.sleep):
        try:
            from optimade.client import OptimadeClient
        except ImportError as error:
            missing = getattr(error.__cause__ or error, "name", None) or "a package of it"
            raise InputError(
                f"the source optimade needs the OPTIMADE client ({missing} is missing); "
                "run: pip install 'optimade[http-client]'"
            ) from None
        self.url = url
        self.client = f"optimade {version('optimade')}"
        self._sleep = sleep
        self._page_limit: int | None = PAGE_LIMIT
        self._client = OptimadeClient(
            base_urls=url,
            max_results_per_provider=10**9,  # its "unlimited" fails if a provider gives no total
            http_timeout=TIMEOUT,
            use_async=False,
            silent=True,
            http_client=_session_class(),
        )

    def properties(self) -> dict[str, dict[str, Any]]:
        """Return the provider's description of each property of its structures, in most cases with a unit."""
        try:
            found = self._ask("info/structures", "its list of properties").data
        except Refused:
            found = {}
        if not isinstance(found, dict) or not isinstance(found.get("properties"), dict):
            raise InputError(
                f"{self.url} answers, but not as an OPTIMADE database does; give the base URL that comes before /v1"
            )
        return found["properties"]

    def count(self, filter: str) -> int:
        """Return the number of structures that a filter admits; 0 or 1 if the provider does not count them."""
        found = self._ask("structures", "a count", filter=filter, response_fields=["id"], page_limit=1)
        total = found.meta.get("data_returned")
        return total if isinstance(total, int) else len(found.data)

    def sample(self, filter: str) -> dict[str, Any]:
        """Return all attributes of one structure; empty if there is none."""
        found = self._ask("structures", "an example", filter=filter, page_limit=1)
        return found.data[0].get("attributes") or {} if found.data else {}

    def page(self, filter: str, fields: Sequence[str], url: str | None, what: str) -> Page:
        """Return the first page of a query, or the one at ``url``, named as the next by an earlier page."""
        query = {"filter": filter, "response_fields": list(fields), "override_url": url}
        try:
            found = self._ask("structures", what, **query, page_limit=self._page_limit)
        except Refused:
            if url or not self._page_limit:
                raise
            self._page_limit = None
            found = self._ask("structures", what, **query)
        delay = found.meta.get("request_delay")
        if isinstance(delay, int | float) and delay > 0:
            self._sleep(min(float(delay), MOST_WAITED))
        following = found.links.get("next")
        following = following.get("href") if isinstance(following, dict) else following
        total = found.meta.get("data_returned")
        return Page(found.data, following, total if isinstance(total, int) else None, found.meta.get("provider") or {})

    def _ask(self, endpoint: str, what: str, filter: str = "", **options: Any) -> Any:
        def attempt() -> Any:
            with redirect_stderr(StringIO()):  # it prints its errors in spite of silent=True
                found = self._client.get_one(endpoint, filter, self.url, paginate=False, **options)[self.url]
            if found.errors:
                self._raise(" ".join(str(error) for error in found.errors), what)
            return found

        return patiently(attempt, self.url, what, self._sleep)

    def _raise(self, message: str, what: str) -> None:
        """Raise the error that the client turned into text: ``Passing`` if it was ours, else ``Refused``."""
        message = " ".join(message.split())[:500]
        mark = f"{Passing.__name__}: "
        if message.startswith(mark):
            raise Passing(message.removeprefix(mark))
        raise Refused(f"{self.url} refused {what}: {message.removeprefix('RuntimeError: ')}")


def _session_class() -> type:
    """Return the class of HTTP sessions for the client, which raises ``Passing`` for errors that may pass.

    The client by itself repeats a request forever after status 429, and never after others.
    """
    import requests

    class Session(requests.Session):
        def get(self, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
            try:
                response = super().get(url, **options)
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                raise Passing(f"{type(error).__name__}: {error}") from None
            if passes(response.status_code):
                raise Passing(f"status {response.status_code}")
            if response.status_code == requests.codes.ok:
                _require_json(response)
            return response

    return Session


def _require_json(response: Any) -> None:
    try:
        response.json()
    except ValueError:
        raise Passing(f"an answer that is no JSON: {response.text[:80]!r}") from None
