"""The errors of the authors' networks on real structures (F1, F16, F17, F26 to F28)."""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np

from data_prep.conditions import one_hot
from data_prep.crystal import FAMILIES, Crystal
from data_prep.elements import ionic_radii
from data_prep.graphs import MAX_GRAPH_SITES, Graph, build_graphs, pack_batch
from data_prep.property_labels import property_labels
from data_prep.quarantine import Rejected, count_reasons, screen
from data_prep.sources.cells import CELLS, Cell, to_conventional
from data_prep.voxelize import input_maps, voxelize
from models.released.cgcnn_weights import predict_released
from models.released.vae_weights import RELEASED_VAE
from repro.decoding.latents import Autoencoder, Reconstruction

GRID = 32  # of the released VAE
CGCNN_BATCHES = (1, 32, 256)  # F27: the answer depends on the batch
LATTICE_ERRORS = {"least_squares": "lattice_error", "release": "lattice_error_minmax"}  # F16


def reconstruct_crystals(autoencoder: Autoencoder, crystals: Sequence[Crystal], bins: Sequence[int]) -> Reconstruction:
    """Voxelise, encode and decode crystals with the conditions ``bins`` (B,), without sampling."""
    densities = [voxelize(c.numbers, c.fractional, c.lengths, ionic_radii(), GRID)[0] for c in crystals]
    true = np.stack([input_maps(density, c.lengths) for density, c in zip(densities, crystals, strict=True)])
    condition = one_hot(np.asarray(bins), RELEASED_VAE.conditions)
    return autoencoder.reconstruct(true, condition, [crystal.numbers for crystal in crystals])


def choose_per_family(crystals: Sequence[Crystal], count: int, seed: int) -> list[Crystal]:
    """Return ``count`` random crystals of each family, or all if there are fewer."""
    rng = np.random.default_rng(seed)
    chosen = []
    for family in FAMILIES:
        members = [crystal for crystal in crystals if crystal.family == family]
        picks = rng.choice(len(members), min(count, len(members)), replace=False)
        chosen += [members[index] for index in sorted(picks)]
    return chosen


def evaluate_vae(autoencoder: Autoencoder, crystals: Sequence[Crystal], bin_of: dict[str, int], tick: Callable) -> dict:
    """Return the errors of reconstructions by cell and family; ``tick(n)`` is called after every n structures.

    MSE over all voxels and channels and of the density alone, divergence in nats, mean absolute error
    of (a, b, c) in Å by both formulas; means over structures, with median and standard error of the MSE.
    """
    results = {}
    for cell in CELLS:
        used, rejected = _in_cell(crystals, cell)
        records = []
        for start in range(0, len(used), RELEASED_VAE.batch_size):
            chunk = used[start : start + RELEASED_VAE.batch_size]
            found = reconstruct_crystals(autoencoder, chunk, [bin_of[crystal.id] for crystal in chunk])
            records += found.errors(chunk)
            tick(len(chunk))
        groups = {family: [record for record in records if record["family"] == family] for family in FAMILIES}
        results[cell] = {"all": _means(records)} | {name: _means(group) for name, group in groups.items()}
        results[cell]["left_out"] = count_reasons(rejected)
    return results


def _in_cell(crystals: Sequence[Crystal], cell: Cell) -> tuple[list[Crystal], list[Rejected]]:
    if cell == "primitive":
        return list(crystals), []
    converted, unconverted = to_conventional(crystals)
    kept, unusable = screen(converted)
    return kept, unconverted + unusable


def _means(records: Sequence[dict]) -> dict:
    if not records:
        return {"count": 0}
    mse = np.array([record["mse"] for record in records])
    return {
        "count": len(records),
        "mse": mse.mean(),
        "mse_median": np.median(mse),  # a few crystals in rare, elongated cells make up much of the mean
        "mse_standard_error": mse.std(ddof=1) / np.sqrt(len(mse)) if len(mse) > 1 else None,
        **{name: float(np.mean([record[name] for record in records])) for name in ("density_mse", "kld")},
        "lattice_mae": {
            name: np.mean([record[error] for record in records], axis=0) for name, error in LATTICE_ERRORS.items()
        },
    }


def labelled_sample(
    crystals: Sequence[Crystal], property: str, count: int, seed: int
) -> tuple[list[Crystal], np.ndarray]:
    """Return at most ``count`` usable crystals with a label, in a seeded random order, and the labels."""
    labels, _ = property_labels(crystals, property)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(np.isfinite(labels)))[:count]
    if not len(order):
        return [], labels[order]
    drawn = [crystals[index] for index in order]
    kept, _ = screen(drawn, max_sites=MAX_GRAPH_SITES, families=None, require_label=False, cubic=False)
    by_id = dict(zip((crystal.id for crystal in drawn), labels[order], strict=True))
    return kept, np.array([by_id[crystal.id] for crystal in kept])


def released_graphs(crystals: Sequence[Crystal]) -> list[Graph]:
    """Return graphs as the release builds them: equal distances in the order of the search."""
    return build_graphs(crystals, ties="as_found")


def in_batches(graphs: Sequence[Graph], size: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield the arrays of ``size`` crystals at a time, in order."""
    return (pack_batch(graphs[start : start + size]) for start in range(0, len(graphs), size))


def evaluate_cgcnn(model: keras.Model, graphs: Sequence[Graph], labels: np.ndarray) -> dict:
    """Return the mean and median absolute error by batch size, missing neighbours masked and filled (F27)."""
    results = []
    for filled in (False, True):
        for size in CGCNN_BATCHES:
            errors = np.abs(predict_released(model, in_batches(graphs, size), filled) - labels)
            results.append(
                {"batch_size": size, "missing_neighbours": "filled" if filled else "masked"}
                | {"mae": errors.mean(), "median": np.median(errors)}
            )
    return {
        "count": len(graphs),
        "lacking_neighbours": sum(graph.n_missing > 0 for graph in graphs),
        "mean_predictor_mae": np.abs(labels - labels.mean()).mean(),
        "errors": results,
    }
