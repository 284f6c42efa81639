"""Coverage-guided fuzzing of the parsers: ``pip install atheris``, ``python -m tests.support.fuzz cif -runs=100000``.

A parser may refuse what it is given; any exception but its own, a hang or a crash is a finding, which
libFuzzer prints and keeps. Not part of the tests: atheris is no requirement of the project.
"""

import contextlib
import io
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["data_prep", "pymatgen.io.cif", "pymatgen.io.vasp.inputs", "ase.io.extxyz"]):
    from data_prep.crystal_table import read_crystals, write_crystals
    from data_prep.errors import InputError
    from data_prep.graphs import build_graphs, load_graphs, save_graphs
    from data_prep.sources.structure_files import read_structures
    from data_prep.sources.table import read_table
    from tests.data_prep.sources.test_garbage_sources import CIF, POSCAR, XYZ, sound, table_bytes
    from tests.support.made_up_crystals import made_up_crystals

# Target -> name of the file, a sound one, and its reader.
TARGETS: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], object]]] = {
    "cif": ("it.cif", lambda path: path.write_text(CIF), lambda path: sound(*read_structures(path))),
    "poscar": ("POSCAR", lambda path: path.write_text(POSCAR), lambda path: sound(*read_structures(path))),
    "xyz": ("it.extxyz", lambda path: path.write_text(XYZ), lambda path: sound(*read_structures(path))),
    "csv": ("it.csv", lambda path: path.write_bytes(table_bytes(".csv")), lambda path: sound(*read_table(path))),
    "parquet": (
        "it.parquet",
        lambda path: path.write_bytes(table_bytes(".parquet")),
        lambda path: sound(*read_table(path)),
    ),
    "crystals": ("it.npz", lambda path: write_crystals(path, made_up_crystals(3)), read_crystals),
    "graphs": ("it.npz", lambda path: save_graphs(build_graphs(made_up_crystals(2), processes=1), path), load_graphs),
}


def main(arguments: list[str]) -> None:
    """Fuzz one target; further arguments are libFuzzer's."""
    if len(arguments) < 2 or arguments[1] not in TARGETS:
        sys.exit(f"usage: python -m tests.support.fuzz {'|'.join(TARGETS)} [-runs=N] [-max_total_time=SECONDS]")
    name, make, read = TARGETS[arguments[1]]
    folder = Path(tempfile.mkdtemp())
    (folder / "corpus").mkdir()
    make(folder / "corpus" / name)
    path = folder / name

    def one(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(InputError), contextlib.redirect_stderr(io.StringIO()):
            read(path)

    warnings.simplefilter("ignore")
    atheris.Setup([arguments[0], *arguments[2:], str(folder / "corpus")], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
