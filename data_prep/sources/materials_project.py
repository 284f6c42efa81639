"""Crystals from the Materials Project through its own client, downloaded once and kept with checksums."""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pymatgen.core import Structure
from tqdm import tqdm

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.quarantine import Rejected, Unusable, refuse_species
from data_prep.sources.downloads import MANIFEST, intact, read_compressed, read_manifest, today, write_compressed
from data_prep.sources.materials_project_client import connect, database_version, find_documents, find_ids

FOLDER = "materials_project"
ANONYMOUS_FORMULAS = ("AB", "ABC2", "ABC3")  # F31
# GNoMe's structures are left out: they are under CC-BY-NC, and did not exist when the paper was written.
SELECTION = {"crystal_system": "Cubic", "deprecated": False, "include_gnome": False}
PROPERTIES = {  # scalar fields of a summary document -> our names
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

logger = logging.getLogger(__name__)


def read_materials_project(
    cache: Path, rester: Any = None, sleep: Callable[[float], None] = time.sleep
) -> tuple[list[Crystal], list[Rejected]]:
    """Return the cubic AB, ABX2 and ABX3 compounds of the Materials Project as deposited (F1, F31).

    A complete download under ``cache/materials_project/<database version>`` is read without the
    network and without a key. Missing or damaged files are downloaded first. Delete the folder to get a
    newer version. ``rester`` is an ``MPRester`` that returns documents as dictionaries
    (``use_document_model=False``); by default one is opened with the key in the environment variable
    ``MP_API_KEY``, which is never stored or shown.

    Labels are those of the version's mixed GGA, GGA+U and r2SCAN scheme with the 2021 corrections,
    so they differ from the paper's by up to 0.3 eV/atom for anion compounds. Rejected:
    not_delivered, unreadable, disordered, isotope, unknown_element. Raises ``InputError`` for a
    missing or refused key and if the service stays unreachable.
    """
    root = Path(cache) / FOLDER
    folder = _newest_complete(root)
    damaged = _damaged(folder) if folder else []
    for path in damaged:
        logger.warning("%s is damaged and will be downloaded again", path)
    if folder is None or damaged:
        folder = download(root, rester or connect(sleep, damaged), sleep)
    return _read(folder)


def download(root: Path, rester: Any, sleep: Callable[[float], None] = time.sleep) -> Path:
    """Download everything missing in ``root/<database version>`` and return that folder.

    First the ids, one request per formula (``ids.json``); then the documents in batches of
    ``BATCH`` ids, each written atomically (``batch-0001.json.gz``) and entered in ``manifest.json`` with
    its SHA-256, so that an interrupted run continues with the first missing batch.
    """
    folder = root / database_version(rester)
    manifest = _manifest(folder) or _new_manifest(folder.name)
    ids = _ids(folder, rester, sleep)
    wanted = sorted({id for listed in ids.values() for id in listed})
    chunks = [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]
    batches, manifest["batches"] = manifest["batches"], {}
    for index, chunk in enumerate(tqdm(chunks, desc="Materials Project", unit="batch", disable=None), 1):
        name = f"batch-{index:04d}.json.gz"
        entry = batches.get(name)
        asked = hashlib.sha256("\n".join(chunk).encode()).hexdigest()
        if entry is None or entry["ids_sha256"] != asked or not intact(folder / name, entry["sha256"]):
            documents = find_documents(rester, chunk, FIELDS, BATCH, sleep)
            sha256 = write_compressed(folder / name, {"ids": chunk, "documents": documents})
            entry = {"documents": len(documents), "sha256": sha256, "ids_sha256": asked}
        manifest["batches"][name] = entry
        write_json(folder / MANIFEST, {**manifest, "batches": {**batches, **manifest["batches"]}})
    manifest["ids"] = {formula: len(listed) for formula, listed in ids.items()}
    manifest["documents"] = sum(entry["documents"] for entry in manifest["batches"].values())
    manifest["complete"] = True
    manifest["completed"] = today()
    write_json(folder / MANIFEST, manifest)
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
        batch = read_compressed(folder / name)
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
    except (FileNotFoundError, ValueError):  # missing or damaged: ask again
        pass
    ids = {}
    for formula in ANONYMOUS_FORMULAS:
        ids[formula] = find_ids(rester, formula, SELECTION, sleep)
        if not ids[formula]:
            raise InputError(f"the Materials Project knows no cubic {formula}; try again later")
    write_json(path, ids)
    return ids


def _new_manifest(database_version: str) -> dict[str, Any]:
    return {
        "source": "Materials Project, CC-BY-4.0; cite Jain et al., APL Materials 1, 011002 (2013)",
        "database_version": database_version,
        "begun": today(),
        "client": f"mp-api {version('mp-api')}",
        "selection": {"formula": list(ANONYMOUS_FORMULAS), **SELECTION},
        "fields": FIELDS,
        "batches": {},
        "complete": False,
    }


def _manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest in ``folder``; None if missing, damaged or of other fields."""
    manifest = read_manifest(folder)
    return manifest if manifest and manifest.get("fields") == FIELDS else None


def _newest_complete(root: Path) -> Path | None:
    folders = sorted(path for path in root.glob("*") if path.is_dir())
    complete = [folder for folder in folders if (_manifest(folder) or {}).get("complete")]
    return complete[-1] if complete else None


def _damaged(folder: Path) -> list[Path]:
    batches = (_manifest(folder) or {}).get("batches", {})
    return [folder / name for name, entry in batches.items() if not intact(folder / name, entry["sha256"])]
