"""Crystals from the Materials Project through its own client, downloaded once and kept with checksums."""

import gzip
import hashlib
import json
import logging
import os
import re
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from pymatgen.core import Structure
from tqdm import tqdm

from data_prep.atomic import replacing, write_json
from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.quarantine import Rejected, Unusable, refuse_species

FOLDER = "materials_project"
ANONYMOUS_FORMULAS = ("AB", "ABC2", "ABC3")  # F31
# GNoMe's structures are left out: under CC-BY-NC, and none was there when the paper was written.
SELECTION = {"crystal_system": "Cubic", "deprecated": False, "include_gnome": False}
PROPERTIES = {  # scalar fields of a summary document: our names for them
    "band_gap": "band_gap",  # eV
    "energy_per_atom": "energy_per_atom",  # eV/atom
    "energy_above_hull": "e_above_hull",  # eV/atom
    "homogeneous_poisson": "poisson_from_KG",  # theirs is (3K - 2G) / (6K + 2G) too
    "n": "refractive_index",
    "e_electronic": "poly_electronic",
    "e_total": "poly_total",
}
MODULI = {"bulk_modulus": "K_VRH", "shear_modulus": "G_VRH"}  # GPa, Voigt-Reuss-Hill averages
FIELDS = [
    "material_id",
    "formula_pretty",
    "structure",
    "symmetry",
    "formation_energy_per_atom",
    *PROPERTIES,
    *MODULI,
]
BATCH = 500  # ids in one request
ATTEMPTS = 6
FIRST_WAIT = 2.0  # seconds; doubled after every attempt
PASSING = re.compile(r"timed out|max retries|connection|temporar|remote end|incompleteread", re.IGNORECASE)
KEY_PAGE = "https://next-gen.materialsproject.org/api"

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")


def read_materials_project(
    cache: Path, rester: Any = None, sleep: Callable[[float], None] = time.sleep
) -> tuple[list[Crystal], list[Rejected]]:
    """Return the cubic AB, ABX2 and ABX3 compounds of the Materials Project as deposited (F1, F31).

    A complete download under ``cache/materials_project/<database version>`` is read without the
    network and without a key; where there is none, or a file of it is damaged, what is missing is
    downloaded first. Delete the folder to get a newer version. ``rester`` is an ``MPRester`` that
    gives documents as dictionaries (``use_document_model=False``); by default one is opened with
    the key in the environment variable ``MP_API_KEY``, which is never stored or shown.

    Labels are those of the version's mixed GGA, GGA+U and r2SCAN scheme with the 2021 corrections,
    so they differ from the paper's by up to 0.3 eV/atom for anion compounds. Rejected:
    not_delivered, unreadable, disordered, isotope, unknown_element. Raises ``InputError`` for a
    missing or refused key and when the service stays unreachable.
    """
    root = Path(cache) / FOLDER
    folder = _newest_complete(root)
    damaged = _damaged(folder) if folder else []
    for path in damaged:
        logger.warning("%s is damaged and will be downloaded again", path)
    if folder is None or damaged:
        folder = download(root, rester or connect(sleep, damaged), sleep)
    return _read(folder)


def connect(sleep: Callable[[float], None] = time.sleep, damaged: list[Path] | None = None) -> Any:
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
    return _retrying(
        lambda: MPRester(key, use_document_model=False, mute_progress_bars=True), "opening a connection", sleep
    )


def download(root: Path, rester: Any, sleep: Callable[[float], None] = time.sleep) -> Path:
    """Download what ``root/<database version>`` lacks and return that folder.

    First the ids, one request per formula (``ids.json``); then the documents in batches of
    ``BATCH`` ids, each written whole (``batch-0001.json.gz``) and entered in ``manifest.json`` with
    its SHA-256, so that a run that was cut off goes on with the first batch that is missing.
    """
    folder = root / _database_version(rester)
    manifest = _manifest(folder) or _new_manifest(folder.name)
    ids = _ids(folder, rester, sleep)
    wanted = sorted({id for listed in ids.values() for id in listed})
    chunks = [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]
    batches, manifest["batches"] = manifest["batches"], {}
    for index, chunk in enumerate(tqdm(chunks, desc="Materials Project", unit="batch", disable=None), 1):
        name = f"batch-{index:04d}.json.gz"
        entry = batches.get(name)
        if entry is None or entry["ids_sha256"] != _ids_sha256(chunk) or not _intact(folder / name, entry):
            documents = _search(rester, sleep, material_ids=chunk, fields=FIELDS, chunk_size=BATCH)
            entry = _write_batch(folder / name, chunk, documents)
        manifest["batches"][name] = entry
        write_json(folder / "manifest.json", {**manifest, "batches": {**batches, **manifest["batches"]}})
    manifest["ids"] = {formula: len(listed) for formula, listed in ids.items()}
    manifest["documents"] = sum(entry["documents"] for entry in manifest["batches"].values())
    manifest["complete"] = True
    manifest["completed"] = _today()
    write_json(folder / "manifest.json", manifest)
    return folder


def crystal_of(document: dict[str, Any]) -> Crystal:
    """Return the record of one summary document. Raises ``Unusable`` for one that cannot be used."""
    try:
        structure = Structure.from_dict(document["structure"])
        refuse_species(structure)
        values = {ours: document.get(theirs) for theirs, ours in PROPERTIES.items()}
        values |= {ours: (document.get(theirs) or {}).get("vrh") for theirs, ours in MODULI.items()}
        values["spacegroup"] = (document.get("symmetry") or {}).get("number")
        label = document.get("formation_energy_per_atom")
        return crystal_from_structure(
            structure,
            str(document["material_id"]),
            float("nan") if label is None else float(label),
            {name: float(value) for name, value in values.items() if value is not None},
        )
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise Unusable("unreadable", f"the document is malformed: {type(error).__name__} {error}") from error


def _read(folder: Path) -> tuple[list[Crystal], list[Rejected]]:
    crystals: list[Crystal] = []
    rejected: list[Rejected] = []
    for name in _manifest(folder)["batches"]:
        batch = json.loads(gzip.decompress((folder / name).read_bytes()))
        documents = {str(document.get("material_id")): document for document in batch["documents"]}
        for id in batch["ids"]:
            try:
                if id not in documents:
                    raise Unusable("not_delivered", f"asked for, but not in the answer ({name})")
                crystals.append(crystal_of(documents[id]))
            except Unusable as fault:
                rejected.append(fault.of(id))
    return crystals, rejected


def _ids(folder: Path, rester: Any, sleep: Callable[[float], None]) -> dict[str, list[str]]:
    path = folder / "ids.json"
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))
        if set(ids) == set(ANONYMOUS_FORMULAS):
            return ids
    except (FileNotFoundError, ValueError):  # never asked, or damaged: ask (again)
        pass
    ids = {}
    for formula in ANONYMOUS_FORMULAS:
        found = _search(rester, sleep, formula=formula, fields=["material_id"], **SELECTION)
        ids[formula] = sorted({str(document["material_id"]) for document in found})
        if not ids[formula]:
            raise InputError(f"the Materials Project knows no cubic {formula}; try again later")
    write_json(path, ids)
    return ids


def _search(rester: Any, sleep: Callable[[float], None], **query: Any) -> list[dict[str, Any]]:
    what = f"the query for {query.get('formula') or str(len(query['material_ids'])) + ' documents'}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the client warns on every search, whatever it is
        found = _retrying(lambda: rester.materials.summary.search(**query), what, sleep)
    return [{**document, "material_id": _familiar(str(document["material_id"]))} for document in found]


def _familiar(id: str) -> str:
    """Return ``mp-149`` for the alphabetical form ``mp-aaaaft`` in which newer servers may answer."""
    from emmet.core.mpid import AlphaID

    try:
        return AlphaID(id).string
    except ValueError:  # neither form
        return id


def _retrying(call: Callable[[], Answer], what: str, sleep: Callable[[float], None]) -> Answer:
    """Return ``call()``, waiting and trying again after errors that pass.

    Errors are re-raised as ``InputError`` outside of the handler, without the original: its text or
    its request could hold the key.
    """
    from mp_api.client.core.exceptions import MPRestError
    from requests import RequestException

    for attempt in range(1, ATTEMPTS + 1):
        try:
            return call()
        # KeyError and JSONDecodeError: the client met an answer that is not what it expects
        except (MPRestError, RequestException, json.JSONDecodeError, KeyError) as error:
            message = _scrubbed(" ".join(f"{type(error).__name__}: {error}".split()))
            passing = not isinstance(error, MPRestError) or _passes(message)
        if re.search(r"status code (401|403)", message):
            raise InputError(f"the Materials Project refused MP_API_KEY at {what}; check it at {KEY_PAGE}")
        if not passing:
            raise InputError(f"the Materials Project refused {what}: {message}")
        if attempt < ATTEMPTS:
            sleep(FIRST_WAIT * 2 ** (attempt - 1))
    raise InputError(
        f"the Materials Project failed {ATTEMPTS} times at {what} ({message}); "
        "run the same command later, it goes on where it stopped"
    )


def _passes(message: str) -> bool:
    status = re.search(r"status code (\d{3})", message)
    if status:
        return int(status[1]) in (408, 425, 429) or int(status[1]) >= 500
    return PASSING.search(message) is not None


def _key() -> str:
    return os.environ.get("MP_API_KEY", "").strip()


def _scrubbed(text: str) -> str:
    return text.replace(_key(), "<key>") if _key() else text


def _database_version(rester: Any) -> str:
    found = str(rester.db_version or "")
    if not re.fullmatch(r"\w[\w.-]*", found):
        raise InputError(f"the Materials Project gives no database version ({found!r}); try again later")
    return found


def _new_manifest(database_version: str) -> dict[str, Any]:
    return {
        "source": "Materials Project, CC-BY-4.0; cite Jain et al., APL Materials 1, 011002 (2013)",
        "database_version": database_version,
        "begun": _today(),
        "client": f"mp-api {version('mp-api')}",
        "selection": {"formula": list(ANONYMOUS_FORMULAS), **SELECTION},
        "fields": FIELDS,
        "batches": {},
        "complete": False,
    }


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest in ``folder``; None where it is absent, damaged or of other fields."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return manifest if manifest.get("fields") == FIELDS else None


def _newest_complete(root: Path) -> Path | None:
    folders = sorted(path for path in root.glob("*") if path.is_dir())
    complete = [folder for folder in folders if (_manifest(folder) or {}).get("complete")]
    return complete[-1] if complete else None


def _damaged(folder: Path) -> list[Path]:
    batches = (_manifest(folder) or {}).get("batches", {})
    return [folder / name for name, entry in batches.items() if not _intact(folder / name, entry)]


def _intact(path: Path, entry: dict[str, Any]) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]


def _ids_sha256(ids: list[str]) -> str:
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _write_batch(path: Path, ids: list[str], documents: list[dict[str, Any]]) -> dict[str, Any]:
    text = json.dumps({"ids": ids, "documents": documents}, separators=(",", ":"))
    content = gzip.compress(text.encode(), mtime=0)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return {
        "documents": len(documents),
        "sha256": hashlib.sha256(content).hexdigest(),
        "ids_sha256": _ids_sha256(ids),
    }
