"""The Materials Project's own client: opened with a key that is never shown, asked with patience."""

import json
import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from data_prep.errors import InputError
from data_prep.sources.patience import Answer, Passing, passes, patiently

SERVICE = "the Materials Project"
KEY_PAGE = "https://next-gen.materialsproject.org/api"
NO_GNOME = {"batch_id_not_eq": "gnome_r2scan_statics"}  # what the client's include_gnome=False asks the service for
PASSING = re.compile(r"timed out|max retries|connection|temporar|remote end|incompleteread", re.IGNORECASE)

logger = logging.getLogger(__name__)
Sleep = Callable[[float], None]


def connect(sleep: Sleep = time.sleep, damaged: Sequence[Path] = ()) -> Any:
    """Return an ``MPRester`` opened with the key in ``MP_API_KEY``.

    Raises ``InputError`` when the key is missing or malformed, when mp-api is not installed, or
    when the service cannot be reached; ``damaged`` are files to name as what the key is needed for.
    """
    key = _key()
    if not key:
        purpose = f" to download {damaged[0]}, which is damaged, again" if damaged else ""
        raise InputError(
            f"the environment variable MP_API_KEY is not set{purpose}; get a free key at {KEY_PAGE} and export it"
        )
    if not re.fullmatch(r"[A-Za-z0-9]{32}", key):
        raise InputError(f"MP_API_KEY is not a key of 32 letters and digits; copy it again from {KEY_PAGE}")
    try:
        from mp_api.client import MPRester
    except ImportError:
        raise InputError("the source materials-project needs mp-api; run: pip install mp-api") from None
    return _asking(
        lambda: MPRester(key, use_document_model=False, mute_progress_bars=True), "opening a connection", sleep
    )


def database_version(rester: Any) -> str:
    """Return the service's database version, fit to name a folder. Raises ``InputError`` where it gives none."""
    found = str(rester.db_version or "")
    if not re.fullmatch(r"\w[\w.-]*", found):
        raise InputError(f"the Materials Project gives no database version ({found!r}); try again later")
    return found


def find_ids(rester: Any, formula: str, selection: dict[str, Any], sleep: Sleep) -> list[str]:
    """Return the sorted ids of all materials of an anonymous formula and a selection.

    The service is asked for their number as well. Where fewer arrive (a page came empty or without its
    total, which the client takes for the end) they are asked for a second time, and what is still
    missing then is said in a warning.
    """
    what = f"the query for {formula}"
    criteria = {name: value for name, value in selection.items() if name != "include_gnome"}
    criteria |= {"formula": formula, "_fields": "material_id", "_limit": 1, **NO_GNOME}
    found: set[str] = set()
    for _ in range(2):
        found |= set(_asking(lambda: _identified(_search_ids(rester, formula, selection)), what, sleep))
        total = _asking(lambda: rester.materials.summary.count(dict(criteria)), what, sleep)
        if len(found) >= total:
            return sorted(found)
    logger.warning("the Materials Project counts %d cubic %s and delivers %d", total, formula, len(found))
    return sorted(found)


def _search_ids(rester: Any, formula: str, selection: dict[str, Any]) -> list[dict[str, Any]]:
    return rester.materials.summary.search(formula=formula, fields=["material_id"], **selection)


def find_documents(
    rester: Any, ids: Sequence[str], fields: Sequence[str], chunk_size: int, sleep: Sleep
) -> list[dict[str, Any]]:
    """Return the summary documents of ``ids``, asking a second time for those that the first answer lacks."""
    found: dict[str, dict[str, Any]] = {}
    for _ in range(2):
        missing = [id for id in ids if id not in found]
        if missing:
            query = {"material_ids": missing, "fields": list(fields), "chunk_size": chunk_size}
            what = f"the query for {len(missing)} documents"
            found |= _asking(lambda query=query: _identified(rester.materials.summary.search(**query)), what, sleep)
    return list(found.values())


def _identified(documents: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return documents by id, each with its id in the familiar form; one without an id is of no use."""
    named = [document for document in documents if document.get("material_id")]
    ids = [_familiar(str(document["material_id"])) for document in named]
    return {id: {**document, "material_id": id} for id, document in zip(ids, named, strict=True)}


def _familiar(id: str) -> str:
    """Return ``mp-149`` for the alphabetical form ``mp-aaaaft`` in which newer servers may answer."""
    from emmet.core.mpid import AlphaID

    try:
        return AlphaID(id).string
    except ValueError:  # neither form
        return id


def _asking(call: Callable[[], Answer], what: str, sleep: Sleep) -> Answer:
    """Return ``call()``; what the client raises becomes ``InputError``, or is waited out where it may pass."""
    from mp_api.client.core.exceptions import MPRestError
    from requests import RequestException

    def attempt() -> Answer:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the client warns on every search, whatever it is
                return call()
        # KeyError, TypeError, AttributeError and JSONDecodeError: an answer is not what the client expects
        except (MPRestError, RequestException, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            message = _scrubbed(" ".join(f"{type(error).__name__}: {error}".split()))
            passing = not isinstance(error, MPRestError) or _passes(message)
        if re.search(r"status code (401|403)", message):
            raise InputError(f"the Materials Project refused MP_API_KEY at {what}; check it at {KEY_PAGE}")
        if not passing:
            raise InputError(f"the Materials Project refused {what}: {message}")
        raise Passing(message)

    return patiently(attempt, SERVICE, what, sleep)


def _passes(message: str) -> bool:
    status = re.search(r"status code (\d{3})", message)
    return passes(int(status[1])) if status else PASSING.search(message) is not None


def _key() -> str:
    return os.environ.get("MP_API_KEY", "").strip()


def _scrubbed(text: str) -> str:
    return text.replace(_key(), "<key>") if _key() else text
