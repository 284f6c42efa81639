"""An OPTIMADE provider through the consortium's own client, one page at a time and with patience."""

import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.metadata import version
from io import StringIO
from typing import Any

from data_prep.errors import InputError
from data_prep.sources.patience import Passing, passes, patiently

PAGE_LIMIT = 100  # entries in a page; a provider that refuses so many is asked for what it gives by default
TIMEOUT = 60.0  # seconds without a byte
MOST_WAITED = 5.0  # seconds between two pages, whatever the provider asks for

Sleep = Callable[[float], None]


class Refused(InputError):
    """The provider says that it will not answer this request, however often it comes."""


@dataclass(frozen=True)
class Page:
    """One answer: its entries, where the next one is, and how many the provider counts in all (None: unsaid)."""

    entries: list[dict[str, Any]]
    next: str | None
    total: int | None
    provider: dict[str, Any]


class Provider:
    """One OPTIMADE database, asked through ``optimade.client.OptimadeClient``.

    Raises ``InputError`` where the client is not installed.
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
            max_results_per_provider=10**9,  # its "unlimited" fails where a provider gives no total
            http_timeout=TIMEOUT,
            use_async=False,
            silent=True,
            http_client=_session_class(),
        )

    def properties(self) -> dict[str, dict[str, Any]]:
        """Return what the provider says of the properties of its structures: a description, mostly a unit."""
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
        """Return how many structures a filter admits; where the provider does not say, whether there is one."""
        found = self._ask("structures", "a count", filter=filter, response_fields=["id"], page_limit=1)
        total = found.meta.get("data_returned")
        return total if isinstance(total, int) else len(found.data)

    def sample(self, filter: str) -> dict[str, Any]:
        """Return the attributes of one structure, all that the provider gives; empty where there is none."""
        found = self._ask("structures", "an example", filter=filter, page_limit=1)
        return found.data[0].get("attributes") or {} if found.data else {}

    def page(self, filter: str, fields: Sequence[str], url: str | None, what: str) -> Page:
        """Return the first page of a query, or the one at ``url``, which an earlier page named as the next."""
        query = {"filter": filter, "response_fields": list(fields), "override_url": url}
        try:
            found = self._ask("structures", what, **query, page_limit=self._page_limit)
        except Refused:
            if url or not self._page_limit:
                raise
            self._page_limit = None
            found = self._ask("structures", what, **query)
        self._sleep_between(found.meta.get("request_delay"))
        following = found.links.get("next")
        following = following.get("href") if isinstance(following, dict) else following
        total = found.meta.get("data_returned")
        return Page(found.data, following, total if isinstance(total, int) else None, found.meta.get("provider") or {})

    def _sleep_between(self, delay: object) -> None:
        if isinstance(delay, int | float) and delay > 0:
            self._sleep(min(float(delay), MOST_WAITED))

    def _ask(self, endpoint: str, what: str, filter: str = "", **options: Any) -> Any:
        def attempt() -> Any:
            with redirect_stderr(StringIO()):  # it prints its errors even where it is told to be silent
                found = self._client.get_one(endpoint, filter, self.url, paginate=False, **options)[self.url]
            if found.errors:
                self._raise(" ".join(str(error) for error in found.errors), what)
            return found

        return patiently(attempt, self.url, what, self._sleep)

    def _raise(self, message: str, what: str) -> None:
        """Raise what the client made a text of: ``Passing`` where it came from ours, else ``Refused``."""
        message = " ".join(message.split())[:500]
        mark = f"{Passing.__name__}: "
        if message.startswith(mark):
            raise Passing(message.removeprefix(mark))
        raise Refused(f"{self.url} refused {what}: {message.removeprefix('RuntimeError: ')}")


def _session_class() -> type:
    """Return the class of HTTP sessions that the client is to use: errors that pass come out as ``Passing``.

    The client by itself repeats a 429 forever and anything else never.
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
