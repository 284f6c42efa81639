"""python -m repro relax: relaxes the crystals of a folder; writes their energies and what changed."""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from pymatgen.core import Structure

from data_prep.crystal import file_name
from data_prep.errors import InputError
from data_prep.files.atomic import write_csv
from data_prep.quarantine import print_rejected
from data_prep.sources.listed_files import listed_in
from data_prep.sources.structure_files import named, read_structures, require_whole
from repro.relaxation.calculation_options import CalculationOptions
from repro.relaxation.calculation_store import CONVERGED

if TYPE_CHECKING:
    from repro.relaxation.calculator import Calculator

TABLE, CIFS = "relaxed.csv", "relaxed"
METHOD, FILE = "method", "relaxed"  # columns of the table: what relaxed a crystal, and its CIF


def relax_files(paths: Sequence[Path], out: Path | None, options: CalculationOptions) -> None:
    """Relax the structures of ``paths`` into ``out``, by default beside the first; raises InputError if none can be.

    A structure that cannot be read or relaxed is named on standard error.
    """
    crystals, rejected = read_structures(paths)
    print_rejected(rejected)
    if not crystals:
        raise InputError(f"{named(paths)}: no structure can be read; see above.")
    out = out or _beside(paths[0])
    names = distinct_names([crystal.id for crystal in crystals])
    structures = {name: crystal.structure() for name, crystal in zip(names, crystals, strict=True)}
    found = relax_structures(structures, options.calculator(), out)
    if all(row["status"] != CONVERGED for row in found):
        raise InputError(f"{named(paths)}: nothing could be relaxed; see above.")
    require_whole(paths, rejected)


def _beside(path: Path) -> Path:
    """Return ``<folder>-relaxed`` beside the folder of ``path``; raises InputError if that is the root."""
    path = path.resolve()  # "." and "x.cif" have no folder in their names
    folder = path if path.is_dir() else path.parent
    if not folder.name:
        raise InputError(f"{path} has no folder to put the results beside: name one with --out FOLDER.")
    return folder.with_name(folder.name + "-relaxed")


def distinct_names(ids: Sequence[str]) -> list[str]:
    """Return a distinct file name for each id: without ``.cif``, or the id itself, or numbered."""
    names, taken = [], set()
    for id in ids:
        plain = id.removesuffix(".cif")
        choices = chain((plain, id), (f"{plain}-{number}" for number in count(2)))
        name = next(choice for choice in choices if file_name(choice) not in taken)
        if name != plain:
            print(f"{id}: listed as {name}, because {plain} is the name of another structure", file=sys.stderr)
        taken.add(file_name(name))
        names.append(name)
    return names


def relax_generated(structures: Mapping[str, Structure], calculator: Calculator, out: Path) -> list[dict]:
    """Relax generated candidates by their ids into ``out``, as the command does."""
    if not structures:
        print("No candidate is left to relax.")
        return []
    return relax_structures(structures, calculator, out)


def relax_structures(structures: Mapping[str, Structure], calculator: Calculator, out: Path) -> list[dict]:
    """Relax structures by name and write ``relaxed.csv`` and the CIFs into ``out``; finished ones are not repeated.

    CIFs that an earlier call listed there and this one does not are removed: they may be of another method.
    """
    from repro.relaxation.relaxation_changes import COLUMNS, rows, write_cifs

    records, elements = calculator.with_elements(structures)
    found = rows(structures, records, elements)
    write_cifs(found, records, out / CIFS)
    for row in found.values():
        row[METHOD] = calculator.method.title
    remove_earlier(out / TABLE, FILE, {row.get(FILE) for row in found.values()})
    write_csv(out / TABLE, list(found.values()), (*COLUMNS, METHOD))
    done = sum(row["status"] == CONVERGED for row in found.values())
    for row in found.values():
        if row["status"] != CONVERGED:
            print(f"{row['id']}: {row['status']}: {row['reason']}", file=sys.stderr)
    print(f"{done} of {len(found)} relaxed; {out / TABLE}")
    return list(found.values())


def remove_earlier(table: Path, column: str, kept: Container[str | None]) -> None:
    """Remove the relaxed CIFs that an earlier ``table`` lists in a ``column``, but for those ``kept``; nothing else."""
    for _, name in listed_in(table, (column,)) if table.is_file() else ():
        path = table.parent / name
        if name not in kept and path.parent == table.parent / CIFS and path.suffix == ".cif":
            path.unlink(missing_ok=True)
