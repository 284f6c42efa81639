"""Five tasks of Matbench v0.1 with the network of the run's preset, on Matbench's own folds.

The data are the files of matminer's dataset store, ``matbench_mp_e_form.json.gz`` and the like: a JSON object whose
``data`` are rows of a structure and a value. Nothing is downloaded. Folds as in Dunn et al., npj Comput. Mater. 6, 138
(2020): five, shuffled, of a fixed seed, so that the errors are comparable with the published ones. Table 1 has another
split, and other labels.
"""

import gzip
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from sklearn.model_selection import KFold

from data_prep.crystal import crystal_from_structure
from data_prep.errors import InputError
from data_prep.files.checksum import file_sha256
from data_prep.graphs import Graph, try_graphs
from data_prep.property_labels import PROPERTIES
from experiments.tables import markdown, write_table
from models.forward.cgcnn import CrystalGraphNetwork
from repro import stamps
from repro.properties.networks import predict
from repro.properties.property_data import PropertyData
from repro.properties.train_properties import Task, train_network
from repro.run import Run
from repro.stored_weights import read_network
from repro.training.fit import BEST

FOLDS, FOLD_SEED = 5, 18012019  # of Matbench v0.1
VALIDATION = 0.05  # of a fold's training part, to choose the best epoch


@dataclass(frozen=True)
class Benchmark:
    """A task: its property here, the factor from what the network learns to Matbench's unit, and that unit."""

    property: str
    scale: float
    unit: str


BENCHMARKS = {
    "matbench_mp_e_form": Benchmark("formation_energy_per_atom", 1.0, "eV/atom"),
    "matbench_mp_gap": Benchmark("band_gap", 1.0, "eV"),
    "matbench_log_kvrh": Benchmark("bulk_modulus", 1 / math.log(10), "log10(GPa)"),
    "matbench_log_gvrh": Benchmark("shear_modulus", 1 / math.log(10), "log10(GPa)"),
    "matbench_dielectric": Benchmark("refractive_index", 1.0, ""),
}
NOTE = (
    "MAE over each of Matbench's five folds, and their mean and standard deviation. A structure without a graph "
    "(overlapping sites, elements beyond Pu) counts with the mean of its fold's training labels as its prediction."
)


def from_run(run: Run, data: Path | None, tasks: Sequence[str] = (), folds: int = FOLDS) -> dict:
    """Train a network on each fold of each task whose file is in the folder ``data``, and return the errors.

    A killed command goes on from the last epoch. Raises InputError if there is no such file, if it cannot be read, and
    if the networks of an earlier call were trained on another one, or by another preset.
    """
    if data is None:
        raise InputError("Matbench needs --data FOLDER (make: DATA=FOLDER), the folder of its files.")
    if unknown := [name for name in tasks if name not in BENCHMARKS]:
        raise InputError(f"--task {unknown[0]}: give one of {', '.join(BENCHMARKS)}.")
    if not 1 <= folds <= FOLDS:
        raise InputError(f"--folds {folds}: Matbench has {FOLDS}, give 1 to {FOLDS}.")
    files = {name: data / f"{name}.json.gz" for name in tasks or BENCHMARKS}
    found = {name: path for name, path in files.items() if path.exists()}
    if not found or (tasks and len(found) < len(files)):
        lacking = next(path for name, path in files.items() if name not in found)
        raise InputError(f"{lacking} is not there: --data is the folder of Matbench's files, such as {lacking.name}.")
    rows = [_task(run, name, path, folds) for name, path in found.items()]
    return {"rows": rows, "note": NOTE, "preset": run.preset.name}


def _task(run: Run, name: str, path: Path, folds: int) -> dict:
    """Return the errors of one task, fold by fold."""
    benchmark = BENCHMARKS[name]
    structures, values = read_task(path)
    learned = values / benchmark.scale
    crystals = [crystal_from_structure(one, str(row)) for row, one in enumerate(structures)]
    graphs = try_graphs(crystals, radius=run.preset.cgcnn.radius, n_neighbours=run.preset.cgcnn.neighbours)
    drawn = np.array([isinstance(graph, Graph) for graph in graphs])
    trained = asdict(run.preset.cgcnn) | asdict(run.preset.cgcnn_training)
    trained |= {"seed": run.preset.seed, "content": file_sha256(path)}
    errors = []
    for fold, (train, test) in enumerate(list(folds_of(len(values)))[:folds]):
        found = np.full(len(test), learned[train].mean())
        _claim(run.folder("matbench") / f"{name}-{fold}", trained)
        found[drawn[test]] = _of_fold(run, name, fold, train[drawn[train]], test[drawn[test]], graphs, learned)
        errors.append(float(np.abs(found - learned[test]).mean()) * benchmark.scale)
        print(f"{name}, fold {fold}: MAE {errors[-1]:.4f} {benchmark.unit}", flush=True)
    return {
        "task": name,
        "property": PROPERTIES[benchmark.property].title,
        "unit": benchmark.unit,
        "crystals": len(values),
        "without graph": int((~drawn).sum()),
        "mae": float(np.mean(errors)),
        "deviation": float(np.std(errors)),
        "folds": errors,
    }


def _claim(folder: Path, trained: dict) -> None:
    """Let ``folder`` be of the training ``trained``; raises InputError if it holds another one's networks."""
    if stamps.read(folder, stamps.STARTED) is None and any(folder.glob("*.weights.h5*")):
        raise InputError(f"{folder} has networks, but not what they were trained with: remove that folder.")
    stamps.begin(folder, trained, {})


def read_task(path: Path) -> tuple[list[Structure], np.ndarray]:
    """Return the structures and values (n,) of one of Matbench's files; raises InputError naming a damaged one."""
    try:
        with gzip.open(path, "rt") as file:
            rows = json.load(file)["data"]
        return [Structure.from_dict(row[0]) for row in rows], np.array([float(row[1]) for row in rows])
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError) as error:  # a JSON fault is a ValueError
        raise InputError(f"{path} is no file of Matbench ({type(error).__name__}: {error}): fetch it again.") from error


def folds_of(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows of the training and the test part of each of Matbench's folds of ``count`` crystals."""
    if count < FOLDS:
        raise InputError(f"{count} crystals are too few for {FOLDS} folds: give a whole file of Matbench.")
    return list(KFold(FOLDS, shuffle=True, random_state=FOLD_SEED).split(np.arange(count)))


def _of_fold(
    run: Run, name: str, fold: int, train: np.ndarray, test: np.ndarray, graphs: Sequence, learned: np.ndarray
) -> np.ndarray:
    """Train on the rows ``train`` and return what the network predicts of the rows ``test``, in its own unit."""
    parts = np.full(len(graphs), "none", dtype="<U10")
    parts[train] = "train"
    held = np.random.default_rng(run.preset.seed).permutation(train)[: max(2, round(VALIDATION * len(train)))]
    parts[held] = "validation"
    property = BENCHMARKS[name].property
    task, folder = Task(f"{name}-{fold}", property, run.preset.seed, None), run.folder("matbench")
    train_network(
        task,
        PropertyData(list(graphs), parts, {property: learned}),
        run.preset.cgcnn,
        run.preset.cgcnn_training,
        folder,
    )
    network = read_network(folder / task.name / BEST, partial(CrystalGraphNetwork, run.preset.cgcnn))
    return predict([network], [graphs[row] for row in test])[0]


def render(table: dict, path: Path) -> list[Path]:
    """Write ``path``.json, .csv and .md; ``path`` has no suffix."""
    return write_table(path, table, text(table), table["rows"])


def text(table: dict) -> str:
    """Return the table as Markdown with its note."""
    header = ("task", "property", "unit", "crystals", "MAE", "± over folds", "folds")
    rows = [
        (
            row["task"], row["property"], row["unit"] or "–", f"{row['crystals']:,}", f"{row['mae']:.4f}",
            f"{row['deviation']:.4f}", str(len(row["folds"])),
        )
        for row in table["rows"]
    ]  # fmt: skip
    return "\n\n".join([markdown(header, rows), table["note"]])
