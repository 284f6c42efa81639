"""The Materials Project's own client: opened with a key that is never shown, with retries."""

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
from data_prep.sources.patience import Answer, Passing, Sleep, passes, patiently

SERVICE = "the Materials Project"
KEY_PAGE = "https://next-gen.materialsproject.org/api"
NO_GNOME = {"batch_id_not_eq": "gnome_r2scan_statics"}  # the query of the client's include_gnome=False
PASSING = re.compile(r"timed out|max retries|connection|temporar|remote end|incompleteread", re.IGNORECASE)

logger = logging.getLogger(__name__)


def connect(sleep: Sleep = time.sleep, damaged: Sequence[Path] = ()) -> Any:
    """Return an ``MPRester`` opened with the key in ``MP_API_KEY``.

    Raises ``InputError`` if the key is missing or malformed, if mp-api is not installed, or if the
    service cannot be reached. A missing key is explained by the ``damaged`` files to download again.
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
    """Return the service's database version, fit to name a folder; raises ``InputError`` if it has none."""
    found = str(rester.db_version or "")
    if not re.fullmatch(r"\w[\w.-]*", found):
        raise InputError(f"the Materials Project gives no database version ({found!r}); try again later")
    return found


def find_ids(rester: Any, formula: str, selection: dict[str, Any], sleep: Sleep) -> list[str]:
    """Return the sorted ids of all materials of an anonymous formula and a selection.

    The service is also asked for their number. If fewer arrive (a page came empty or without its
    total, which the client takes for the end), they are requested a second time; a warning counts those
    still missing.
    """
    what = f"the query for {formula}"
    criteria = {name: value for name, value in selection.items() if name != "include_gnome"}
    criteria |= {"formula": formula, "_fields": "material_id", "_limit": 1, **NO_GNOME}
    found: set[str] = set()

    def search() -> set[str]:
        documents = rester.materials.summary.search(formula=formula, fields=["material_id"], **selection)
        return set(_identified(documents))

    for _ in range(2):
        found |= _asking(search, what, sleep)
        total = _asking(lambda: rester.materials.summary.count(dict(criteria)), what, sleep)
        if len(found) >= total:
            return sorted(found)
    logger.warning("the Materials Project counts %d cubic %s and delivers %d", total, formula, len(found))
    return sorted(found)


def find_documents(
    rester: Any, ids: Sequence[str], fields: Sequence[str], chunk_size: int, sleep: Sleep
) -> list[dict[str, Any]]:
    """Return the summary documents of ``ids``; those missing in the first answer are requested a second time."""
    found: dict[str, dict[str, Any]] = {}
    for _ in range(2):
        missing = [id for id in ids if id not in found]
        if missing:
            query = {"material_ids": missing, "fields": list(fields), "chunk_size": chunk_size}
            what = f"the query for {len(missing)} documents"
            found |= _asking(lambda query=query: _identified(rester.materials.summary.search(**query)), what, sleep)
    return list(found.values())


def _identified(documents: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return documents by id, in the familiar form; those without an id are left out."""
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
    """Return ``call()``, repeated after errors that may pass; other errors of the client become ``InputError``."""
    from mp_api.client.core.exceptions import MPRestError
    from requests import RequestException

    def attempt() -> Answer:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the client warns on every search
                return call()
        # KeyError, TypeError, AttributeError and JSONDecodeError: an answer that the client does not expect
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
