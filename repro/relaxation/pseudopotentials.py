"""The user's folder of pseudopotentials: the element of each file, its checksum, and the cutoff it needs."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pymatgen.core import Element

from data_prep.errors import InputError
from data_prep.files.checksum import file_sha256

SUFFIXES = (".upf",)
_ATTRIBUTE = re.compile(r"(\w+)\s*=\s*[\"']\s*(.*?)\s*[\"']", re.DOTALL)
_HEADER = re.compile(r"<PP_HEADER(.*?)(?:/>|</PP_HEADER>)", re.DOTALL)
_HEAD_BYTES = 200_000  # the header stands before the tables
# The hints "normal" of PseudoDojo's table standard.djson (NC SR v0.4, PBE): M. J. van Setten et al., Comput. Phys.
# Commun. 226, 39 (2018). They hold for its files alone: others bring their own cutoff or need one given.
_DOJO_HINTS = {  # Ha
    "H": 36, "He": 45, "Li": 37, "Be": 44, "B": 38, "C": 41, "N": 42, "O": 42, "F": 42, "Ne": 34, "Na": 44, "Mg": 42,
    "Al": 20, "Si": 18, "P": 22, "S": 26, "Cl": 29, "Ar": 33, "K": 37, "Ca": 34, "Sc": 39, "Ti": 42, "V": 42, "Cr": 47,
    "Mn": 48, "Fe": 45, "Co": 48, "Ni": 49, "Cu": 46, "Zn": 42, "Ga": 40, "Ge": 39, "As": 42, "Se": 43, "Br": 23,
    "Kr": 26, "Rb": 23, "Sr": 34, "Y": 36, "Zr": 33, "Nb": 41, "Mo": 40, "Tc": 42, "Ru": 42, "Rh": 44, "Pd": 41,
    "Ag": 41, "Cd": 51, "In": 35, "Sn": 36, "Sb": 40, "Te": 40, "I": 35, "Xe": 34, "Cs": 25, "Ba": 22, "La": 55,
    "Lu": 50, "Hf": 29, "Ta": 29, "W": 37, "Re": 36, "Os": 37, "Ir": 34, "Pt": 42, "Au": 38, "Hg": 33, "Tl": 31,
    "Pb": 28, "Bi": 33, "Po": 32, "Rn": 36,
}  # fmt: skip
_DOJO_CUTOFFS = {symbol: 2.0 * value for symbol, value in _DOJO_HINTS.items()}  # Ry


@dataclass(frozen=True)
class Pseudopotential:
    """One UPF file; ``cutoff`` in Ry, None if unknown, and ``cutoff_from`` naming its source."""

    element: str
    file: str
    sha256: str
    functional: str
    norm_conserving: bool
    valence: float
    cutoff: float | None
    cutoff_from: str

    def record(self) -> dict:
        """Return the fields that are stored with a result."""
        kept = ("file", "sha256", "functional", "cutoff", "cutoff_from")
        return {name: getattr(self, name) for name in kept}


def choose(folder: Path, elements: Iterable[str], cutoff: float | None = None) -> dict[str, Pseudopotential]:
    """Return the pseudopotential of each element in ``folder``; ``cutoff`` (Ry) is for files without a known one.

    A cutoff is looked up in a JSON table of the PseudoDojo beside the files (``*.djson``, ``*.json``), then in the
    file's header, then in the built-in table for PseudoDojo's files. Raises InputError, naming the element, if a file
    is missing or not the only one, or if functionals are mixed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give the one that holds your pseudopotentials (UPF files).")
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.lower().endswith(SUFFIXES):
            files.setdefault(_element_of_name(path), []).append(path)
    hints = _hints(folder)
    found = {}
    for element in sorted(set(elements)):
        matching = files.get(element, [])
        if len(matching) != 1:
            fault = f"has several of {element} ({', '.join(path.name for path in matching)}): keep one"
            lacking = f"has no pseudopotential of {element}: add one, named {element}.upf or like it"
            raise InputError(f"{folder} {fault if matching else lacking}.")
        found[element] = read(matching[0], hints.get(element), cutoff)
    functionals = {pseudo.functional for pseudo in found.values()}
    if len(functionals) > 1:
        raise InputError(f"{folder} mixes functionals ({', '.join(sorted(functionals))}): take one library for all.")
    return found


def read(path: Path, hint: float | None = None, given: float | None = None) -> Pseudopotential:
    """Return the pseudopotential of a UPF file (version 1 or 2); raises InputError if its header is incomplete.

    ``hint`` is a table's cutoff in Ry for this element, ``given`` the user's for files without a known one.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read(_HEAD_BYTES)
    match = _HEADER.search(text)
    try:
        header = dict(_ATTRIBUTE.findall(match[1])) if "=" in match[1] else _version_1(match[1])
        element, functional = header["element"].strip(), _functional(header["functional"])
        valence, conserving = float(header["z_valence"]), header["pseudo_type"].upper() in ("NC", "SL")
        own = float(header.get("wfc_cutoff") or 0)
    except (TypeError, KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path} has no UPF header or a damaged one ({error}): replace the file.") from error
    if element != _element_of_name(path):
        raise InputError(f"{path} is a pseudopotential of {element}, not of {_element_of_name(path)}: rename it.")
    dojo = _DOJO_CUTOFFS.get(element) if "ONCVPSP" in text and functional == "PBE" and conserving else None
    known = ((hint, "table beside the files"), (own, "header"), (dojo, "PseudoDojo, normal"), (given, "given"))
    cutoff, source = next(((value, name) for value, name in known if value), (None, ""))
    return Pseudopotential(element, path.name, file_sha256(path), functional, conserving, valence, cutoff, source)


def cutoff_of(pseudos: Iterable[Pseudopotential]) -> float:
    """Return the largest wave-function cutoff in Ry among the elements; raises InputError if one is unknown.

    Below it a variable-cell relaxation reports convergence at a cell 3 to 13 % too small.
    """
    unknown = [pseudo for pseudo in pseudos if pseudo.cutoff is None]
    if unknown:
        raise InputError(
            f"No cutoff is known for {unknown[0].file} ({unknown[0].element}): give one with --cutoff RY, or put "
            "PseudoDojo's table of hints (.djson) beside the files."
        )
    return max(pseudo.cutoff for pseudo in pseudos)


def _element_of_name(path: Path) -> str:
    """Return the element with which a file's name begins (Na.upf, Na_ONCV_PBE.upf, na-sp.UPF), else an empty text."""
    symbol = re.split(r"[._\-]", path.name)[0].capitalize()
    return symbol if Element.is_valid_symbol(symbol) else ""


_FUNCTIONALS = {
    "PBE": ({"PBE"}, {"SLA", "PW", "PBE"}, {"SLA", "PW", "PBX", "PBC"}),
    "PZ": ({"PZ"}, {"SLA", "PZ", "NOGX", "NOGC"}),
}


def _functional(text: str) -> str:
    """Return a functional's name, which ESPRESSO writes as one word or as four."""
    words = set(text.upper().split())
    return next((name for name, forms in _FUNCTIONALS.items() if words in forms), " ".join(text.upper().split()))


def _version_1(header: str) -> dict[str, str]:
    """Return the header of a UPF file of version 1: a value and its name on each line, in a fixed order."""
    lines = [line for line in header.splitlines() if line.strip(" >")]
    cutoffs = next((line.split() for line in lines if "cutoff" in line.lower()), ["0"])
    return {
        "element": lines[1].split()[0],
        "pseudo_type": lines[2].split()[0],
        "functional": lines[4].split("Exchange")[0],
        "z_valence": lines[5].split()[0],
        "wfc_cutoff": cutoffs[0],
    }


def _hints(folder: Path) -> dict[str, float]:
    """Return the cutoffs in Ry of PseudoDojo's tables in the folder (``hints.normal.ecut`` in Ha, per element)."""
    found: dict[str, float] = {}
    for path in sorted([*folder.glob("*.djson"), *folder.glob("*.json")]):
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            table = table.get("pseudos_metadata", table)
            for element, entry in table.items():
                if isinstance(entry, dict) and "hints" in entry:
                    found[element] = 2.0 * float(entry["hints"]["normal"]["ecut"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is no table of hints ({error!r}): repair or remove it.") from error
    return found
