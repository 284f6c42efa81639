"""Crystals from an OPTIMADE database with formation energies: no key, downloaded once, kept with checksums."""

import logging
import re
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Element, Lattice, Structure
from tqdm import tqdm

from data_prep.crystal import Crystal, crystal_from_structure
from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.quarantine import MAX_SITES, Rejected, Unusable, refuse_bad_geometry, refuse_species, separated
from data_prep.source_names import OPTIMADE, slug
from data_prep.sources.cells import Cell, in_cell
from data_prep.sources.downloads import MANIFEST, intact, read_compressed, read_manifest, today, write_compressed
from data_prep.sources.optimade_client import Page, Provider, Refused
from data_prep.sources.optimade_labels import Labels, labels_of
from data_prep.sources.patience import Sleep
from data_prep.structures.standard_cell import CUBIC
from data_prep.workers import on_all_cores

FOLDER = "optimade"
DEFAULT = "https://optimade.materialsproject.org"
ANONYMOUS_FORMULAS = {"AB": "AB", "ABX2": "A2BC", "ABX3": "A3BC"}  # F31, as OPTIMADE writes them
SPACE_GROUP = "space_group_it_number"
STRUCTURE_FIELDS = ("lattice_vectors", "cartesian_site_positions", "species", "species_at_sites")

logger = logging.getLogger(__name__)


def base_url(source: str) -> str:
    """Return the base URL of a source, without the version that the client adds.

    Raises ``InputError`` if it is not an http or https address, or holds a password or a query.
    """
    url = source.removeprefix(OPTIMADE).removeprefix(":").strip() or DEFAULT
    if not re.fullmatch(r"https?://[^\s/?#@]+[^\s?#@]*", url):
        raise InputError(f"{source!r} names no web address; give optimade:https://HOST/PATH, or optimade alone")
    return re.sub(r"(/v\d[\d.]*)?(/structures)?/*$", "", url)


def read_optimade(
    source: str, cache: Path, cell: Cell, sleep: Sleep = time.sleep
) -> tuple[list[Crystal], list[Rejected]]:
    """Return the cubic AB, ABX2 and ABX3 compounds of at most ``MAX_SITES`` sites of an OPTIMADE database.

    A complete download under ``cache/optimade/<host and path>`` is read without the network; missing
    pages are downloaded first. Delete the folder to get newer data. If the provider lists space groups,
    only cubic structures are requested, else all, and ``quarantine.screen`` leaves out the others.
    Cells are converted to ``cell`` (``in_cell``), and the space group is spglib's.

    The formation energy is the provider's own property (``optimade_labels``); its level of theory and
    its references are the provider's. Rejected: unreadable, disordered, isotope, unknown_element,
    degenerate_cell, non_finite_coordinates, overlapping_sites, symmetry_undetermined. Raises
    ``InputError`` for an invalid address, for a provider without formation energies or that stays
    unreachable, and if the client is not installed.
    """
    url = base_url(source)
    folder = Path(cache) / FOLDER / slug(url)
    manifest = read_manifest(folder)
    damaged = _damaged(folder, manifest)
    for name in damaged:
        logger.warning("%s is damaged and will be downloaded again", folder / name)
    if manifest is None or not manifest["complete"] or damaged:
        manifest = download(url, folder, sleep)
    return _read(folder, manifest, cell)


def download(url: str, folder: Path, sleep: Sleep = time.sleep) -> dict[str, Any]:
    """Download the pages of the database at ``url`` that ``folder`` lacks, and return the manifest.

    Every page is written atomically (``AB-0001.json.gz``) and entered in ``manifest.json`` with its SHA-256
    and the address of the next page, so that an interrupted run continues with the first missing page.
    """
    provider = Provider(url, sleep)
    manifest = read_manifest(folder) or _new_manifest(provider)
    for family, filter in manifest["filters"].items():
        _download_family(provider, folder, manifest, family, filter)
    documents = sum(entry["documents"] for entry in manifest["pages"].values())
    if not documents:
        raise InputError(f"{url} knows no AB, ABX2 or ABX3 of at most {MAX_SITES} sites; choose another provider")
    manifest |= {"documents": documents, "complete": True, "completed": today()}
    write_json(folder / MANIFEST, manifest)
    return manifest


def crystal_of(entry: dict[str, Any], labels: Labels, cell: Cell) -> Crystal | Rejected:
    """Return the record of one OPTIMADE structure entry, or the reason why there is none."""
    id = str(entry.get("id"))
    try:
        structure = structure_of_entry(entry)
        refuse_species(structure)
        label, values = labels.read(entry["attributes"])
        refuse_bad_geometry(crystal_from_structure(structure, id))
        structure, number = in_cell(structure, cell)
    except Unusable as fault:
        return fault.of(id)
    return crystal_from_structure(structure, id, label, {**values, "spacegroup": float(number)})


def structure_of_entry(entry: dict[str, Any]) -> Structure:
    """Return the structure of an entry as deposited; raises ``Unusable`` if it cannot be used."""
    try:
        attributes = entry["attributes"]
        kinds = {kind["name"]: kind for kind in attributes.get("species") or []}
        sites = [_occupation(kinds.get(name), name) for name in attributes["species_at_sites"]]
        positions = np.array(attributes["cartesian_site_positions"], dtype=np.float64)
        if len(positions) != len(sites):
            raise ValueError(f"{len(sites)} species at {len(positions)} positions")
        lattice = Lattice(np.array(attributes["lattice_vectors"], dtype=np.float64))
        return Structure(lattice, sites, positions, coords_are_cartesian=True)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise Unusable("unreadable", f"the entry is malformed: {type(error).__name__} {error}") from error


def _occupation(kind: dict[str, Any] | None, name: str) -> dict[str, float]:
    """Return the elements of one species with their occupancies; a vacancy is the remainder to 1."""
    symbols = kind["chemical_symbols"] if kind else [name]
    shares = kind["concentration"] if kind else [1.0]
    if kind and kind.get("attached"):
        raise Unusable("disordered", f"the species {name} has {kind['attached']} attached without positions")
    for symbol in symbols:
        if symbol not in ("vacancy", "D", "T") and not Element.is_valid_symbol(symbol):
            raise Unusable("unknown_element", f"{symbol} is not an element")
    return {symbol: float(share) for symbol, share in zip(symbols, shares, strict=True) if symbol != "vacancy"}


def _read(folder: Path, manifest: dict[str, Any], cell: Cell) -> tuple[list[Crystal], list[Rejected]]:
    labels = labels_of({manifest["label"]: None}, manifest["source"])
    entries = [entry for name in manifest["pages"] for entry in read_compressed(folder / name)]
    found = on_all_cores(partial(crystal_of, labels=labels, cell=cell), entries, "OPTIMADE entries")
    return separated(found)


def _new_manifest(provider: Provider) -> dict[str, Any]:
    filters = {
        family: f'chemical_formula_anonymous="{anonymous}" AND nsites<={MAX_SITES}'
        for family, anonymous in ANONYMOUS_FORMULAS.items()
    }
    listed = provider.properties()
    labels = labels_of(listed, provider.url, lambda: provider.sample(filters["AB"]))
    if SPACE_GROUP in listed and _all_have_space_groups(provider, filters.values()):
        filters = {family: f"{filter} AND {SPACE_GROUP}>={CUBIC.start}" for family, filter in filters.items()}
    return {
        "source": provider.url,
        "begun": today(),
        "client": provider.client,
        "label": labels.field,
        "fields": [*STRUCTURE_FIELDS, *labels.fields],
        "filters": filters,
        "pages": {},
        "complete": False,
    }


def _all_have_space_groups(provider: Provider, filters: Iterable[str]) -> bool:
    try:
        return not any(provider.count(f"{filter} AND {SPACE_GROUP} IS UNKNOWN") for filter in filters)
    except Refused:  # the standard allows a provider to list the property without a search for it
        return False


def _download_family(provider: Provider, folder: Path, manifest: dict[str, Any], family: str, filter: str) -> None:
    url: str | None = None
    visited: list[str | None] = []
    arrived = 0
    with tqdm(desc=f"{family} of {provider.url}", unit=" structures", disable=None) as progress:
        while url or not visited:
            if url in visited:
                raise InputError(f"{provider.url} names {url} as the next page twice; its {family} have no end")
            visited.append(url)
            entry = _kept_or_new(provider, folder, manifest, f"{family}-{len(visited):04d}.json.gz", filter, url)
            arrived += entry["documents"]
            progress.total = entry["total"]
            progress.update(entry["documents"])
            url = entry["next"]
    _forget_others(folder, manifest, family, len(visited))
    if entry["total"] not in (None, arrived):
        logger.warning("%s counts %d %s and delivers %d", provider.url, entry["total"], family, arrived)


def _forget_others(folder: Path, manifest: dict[str, Any], family: str, count: int) -> None:
    """Remove the pages of a family beyond its first ``count``: its list was longer once."""
    listed = {f"{family}-{number:04d}.json.gz" for number in range(1, count + 1)}
    others = [name for name in manifest["pages"] if name.startswith(f"{family}-") and name not in listed]
    if not others:
        return
    for name in others:
        del manifest["pages"][name]
    write_json(folder / MANIFEST, manifest)  # first, so that it never names a missing page
    for name in others:
        (folder / name).unlink(missing_ok=True)


def _kept_or_new(
    provider: Provider, folder: Path, manifest: dict[str, Any], name: str, filter: str, url: str | None
) -> dict[str, Any]:
    """Return the manifest's entry of a page, after fetching the page if it is missing, damaged or another."""
    entry = manifest["pages"].get(name)
    if entry is None or entry["url"] != url or not intact(folder / name, entry["sha256"]):
        page = _page(provider, filter, manifest["fields"], url, name, folder)
        entry = _write_page(folder / name, url, page, manifest["fields"])
        manifest["pages"][name] = entry
        manifest.setdefault("provider", page.provider)
        write_json(folder / MANIFEST, manifest)
    return entry


def _page(provider: Provider, filter: str, fields: list[str], url: str | None, name: str, folder: Path) -> Page:
    try:
        return provider.page(filter, fields, url, f"the query for {name}")
    except Refused as error:
        if url is None:
            raise
        raise InputError(f"{error}; if its pages have moved since, delete {folder} to begin anew") from None


def _write_page(path: Path, url: str | None, page: Page, fields: list[str]) -> dict[str, Any]:
    entries = [
        {"id": entry.get("id"), "attributes": {name: (entry.get("attributes") or {}).get(name) for name in fields}}
        for entry in page.entries
    ]
    return {
        "url": url,
        "next": page.next,
        "documents": len(entries),
        "total": page.total,
        "sha256": write_compressed(path, entries),
    }


def _damaged(folder: Path, manifest: dict[str, Any] | None) -> list[str]:
    pages = (manifest or {}).get("pages", {})
    return [name for name, entry in pages.items() if not intact(folder / name, entry["sha256"])]
