"""A list of crystals on disk: one NPZ file, written atomically and read back bit for bit."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from data_prep.files.atomic import replacing
from data_prep.files.npz import DamagedNpz, read_npz


def write_crystals(path: Path, crystals: Sequence[Crystal]) -> None:
    """Write ``crystals`` to the NPZ file ``path``.

    The sites of all crystals are stored end to end, with ``n_sites`` of each crystal.
    ``property_values`` (n, p) is NaN if a crystal lacks a property; ``property_present`` distinguishes
    this from a property whose value is NaN. Raises ``InputError`` for another suffix.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise InputError(f"{path}: a list of crystals is stored as .npz; choose such a name")
    names = sorted({name for crystal in crystals for name in crystal.properties})
    arrays = {
        "ids": np.array([crystal.id for crystal in crystals], dtype=np.str_),
        "formulas": np.array([crystal.formula for crystal in crystals], dtype=np.str_),
        "lengths": _stacked([crystal.lengths for crystal in crystals]),
        "angles": _stacked([crystal.angles for crystal in crystals]),
        "n_sites": np.array([crystal.n_sites for crystal in crystals], dtype=np.int64),
        "numbers": np.concatenate([np.empty(0, np.int64), *(crystal.numbers for crystal in crystals)]),
        "fractional": np.concatenate([np.empty((0, 3)), *(crystal.fractional for crystal in crystals)]),
        "formation_energy_per_atom": np.array(
            [crystal.formation_energy_per_atom for crystal in crystals], dtype=np.float64
        ),
        "property_names": np.array(names, dtype=np.str_),
        "property_values": np.array(
            [[crystal.properties.get(name, np.nan) for name in names] for crystal in crystals], dtype=np.float64
        ).reshape(len(crystals), len(names)),
        "property_present": np.array(
            [[name in crystal.properties for name in names] for crystal in crystals], dtype=bool
        ).reshape(len(crystals), len(names)),
    }
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_crystals(path: Path) -> list[Crystal]:
    """Return the crystals that ``write_crystals`` stored in ``path``.

    Raises ``InputError`` if the file is missing, damaged or not such a list.
    """
    path = Path(path)
    try:
        return _crystals(read_npz(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such list of crystals; run the stage that writes it first") from None
    except (DamagedNpz, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path} is damaged or not a list of crystals ({error}); write it again") from error


def _crystals(arrays: dict[str, np.ndarray]) -> list[Crystal]:
    names = arrays["property_names"].tolist()
    ends = np.concatenate([[0], np.cumsum(arrays["n_sites"])]).tolist()
    if ends[-1] != len(arrays["numbers"]) or ends[-1] != len(arrays["fractional"]):
        raise ValueError("the numbers of sites disagree")
    rows = zip(
        arrays["ids"].tolist(),
        arrays["formulas"].tolist(),
        arrays["lengths"],
        arrays["angles"],
        pairwise(ends),
        arrays["formation_energy_per_atom"].tolist(),
        arrays["property_values"].tolist(),
        arrays["property_present"].tolist(),
        strict=True,
    )
    return [
        Crystal(
            id=id,
            formula=formula,
            lengths=lengths,
            angles=angles,
            numbers=arrays["numbers"][start:stop],
            fractional=arrays["fractional"][start:stop],
            formation_energy_per_atom=label,
            properties={name: value for name, value, has in zip(names, values, present, strict=True) if has},
        )
        for id, formula, lengths, angles, (start, stop), label, values, present in rows
    ]


def _stacked(vectors: list[np.ndarray]) -> np.ndarray:
    return np.array(vectors, dtype=np.float64).reshape(len(vectors), 3)
