"""The stage that measures the property networks, and the released ones, on held-out crystals (Table 1, Figure 5)."""

import numpy as np
from scipy.stats import spearmanr

from data_prep.errors import InputError
from data_prep.files.atomic import write_json
from data_prep.files.npz import write_npz
from data_prep.property_labels import FORMATION_ENERGY, PROPERTIES
from models.released.cgcnn_weights import predict_released, released_cgcnn
from repro import stamps
from repro.evaluation import metrics
from repro.properties.network_folder import load_property_networks
from repro.properties.networks import predict
from repro.properties.property_data import PropertyData, load_property_crystals, load_property_data
from repro.released.released_errors import in_batches, released_graphs
from repro.released.released_files import find_released
from repro.run import Run

SUMMARY, PREDICTIONS = "properties.json", "properties_test.npz"
RELEASED_BATCH = 256  # Table 6: the batches in which the release was trained, and answers best (F27)
CALIBRATION_BINS = 10


def evaluate_properties(run: Run) -> dict:
    """Measure every network on the test part; write ``properties.json`` and the predictions beside it."""
    data, networks = load_property_data(run), load_property_networks(run.folder("properties"))
    rows, arrays, each = [], {}, {}
    for name, members in networks.by_property.items():
        test = data.labelled(name, "test")
        graphs, true = [data.graphs[index] for index in test], data.labels[name][test]
        each[name] = predict(members, graphs)
        rows.append(property_row(name, data, true, each[name]))
        arrays |= {f"{name}_true": true, f"{name}_predicted": each[name][0]}
        _print_row(rows[-1])
    summary = {
        "rows": rows,
        "data": stamps.read(run.folder("graphs"))["counts"],
        "source": run.source_name,
        "preset": run.preset.name,
        "split_seed": run.preset.seed,
        "split_by": run.preset.property_data.split_by,
        "versions": stamps.versions(),
    }
    summary["released"] = measure_released(run, data, list(networks.by_property))
    members = each.get(FORMATION_ENERGY, np.empty((0, 0)))
    if len(members) > 1:
        summary["calibration"] = calibration(arrays[f"{FORMATION_ENERGY}_true"], members)
    write_json(run.results / SUMMARY, summary)
    stored = {name: values.astype(np.float32) for name, values in arrays.items()}
    write_npz(run.results / PREDICTIONS, stored, compressed=True)
    return {row["property"]: {"test": row["n_test"], "mae": row["mae"]} for row in rows}


def property_row(name: str, data: PropertyData, true: np.ndarray, each: np.ndarray) -> dict:
    """Return the errors of one property's networks (m, n) on its n test crystals: of the first, and of their mean.

    Several networks also have ``each_mae``, one for each.
    """
    train = data.labels[name][data.labelled(name, "train")]
    errors = np.abs(each[0] - true)
    row = {
        "property": name,
        "unit": PROPERTIES[name].trained_unit,
        "mae": float(errors.mean()),
        "mae_interval": list(metrics.bootstrap_interval(errors, seed=0)),
        "median_error": float(np.median(errors)),
        "smape": metrics.smape(true, each[0]),
        "r2": metrics.r2(true, each[0]),
        "n_train": len(train),
        "n_validation": len(data.labelled(name, "validation")),
        "n_test": len(true),
        "baseline_mae": float(np.abs(true - train.mean()).mean()),
    }
    if len(each) > 1:
        row |= {"networks": len(each), "mean_of_networks_mae": float(np.abs(each.mean(axis=0) - true).mean())}
        row |= {"each_mae": np.abs(each - true).mean(axis=1).tolist()}
    return row


def _print_row(row: dict) -> None:
    unit = f" {row['unit']}" if row["unit"] else ""
    several = f", mean of {row['networks']}: {row['mean_of_networks_mae']:.4f}" if "networks" in row else ""
    print(
        f"{PROPERTIES[row['property']].title}: MAE {row['mae']:.4f}{unit}{several} on {row['n_test']:,} held-out "
        f"crystals (guessing the mean: {row['baseline_mae']:.3f}).",
        flush=True,
    )


def measure_released(run: Run, data: PropertyData, names: list[str]) -> dict[str, dict]:
    """Return the released networks' errors on the same test crystals, alone and in batches of 256 (F27).

    ``filled`` treats missing neighbours as the released program does, ``masked`` leaves them out (see
    ``models.released.cgcnn_weights``). Empty if the weights are not at hand. Most of these crystals were
    training data to the authors.
    """
    try:
        files = find_released(run.shared)
    except InputError as error:
        print(f"The released networks are not measured: {error}")
        return {}
    crystals, errors = load_property_crystals(run), {}
    for name in (name for name in names if name in files.cgcnn):
        test = data.labelled(name, "test")
        print(f"released network of {PROPERTIES[name].title}: {len(test)} crystals, alone and in batches", flush=True)
        graphs = released_graphs([crystals[index] for index in test])
        model = released_cgcnn(files.cgcnn[name], files.atom_init)
        errors[name] = {}
        for how, filled in (("filled", True), ("masked", False)):
            for label, size in (("alone", 1), ("batch", RELEASED_BATCH)):
                found = predict_released(model, in_batches(graphs, size), filled)
                errors[name][f"{label}_{how}_mae"] = float(np.abs(found - data.labels[name][test]).mean())
    return errors


def calibration(true: np.ndarray, members: np.ndarray) -> dict:
    """Return how well the spread of m networks' predictions (m, n) predicts the error of their mean.

    In bins of equal count: if the spread is a calibrated standard deviation, it equals the root mean squared error of
    each bin.
    """
    spread, errors = members.std(axis=0, ddof=1), np.abs(members.mean(axis=0) - true)
    parts = np.array_split(np.argsort(spread), min(CALIBRATION_BINS, len(spread)))
    return {
        "networks": len(members),
        "rank_correlation": float(spearmanr(spread, errors).statistic),
        "bins": [
            {
                "count": len(part),
                "spread": float(spread[part].mean()),
                "mae": float(errors[part].mean()),
                "rmse": float(np.sqrt(np.square(errors[part]).mean())),
            }
            for part in parts
        ],
    }
