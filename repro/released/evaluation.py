"""Measures the authors' networks on real structures (FINDINGS F1, F16, F17, F26 to F28)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from data_prep.conditions import one_hot
from data_prep.crystal import FAMILIES, Crystal
from data_prep.elements import ionic_radii
from data_prep.graphs import Graph, build_graphs, pad_batch
from data_prep.quarantine import Rejected, count_reasons, screen
from data_prep.sources.cells import CELLS, to_conventional
from data_prep.voxelize import voxelize
from models.lattice import lattice_least_squares, lattice_minmax
from models.released_cgcnn import predict_released
from models.vae import kl_divergence
from repro.feeds import input_maps

GRID = 32  # of the released VAE
VAE_BATCH = 20
CGCNN_BATCHES = (1, 32, 256)  # F27: the answer depends on the batch
MAX_SITES_VAE = 40  # Methods
MAX_SITES_CGCNN = 50  # F26
MAX_MODULUS = 1000.0  # GPa; the tables hold unphysical values beyond it
LATTICE_FORMULAS = {"least_squares": lattice_least_squares, "release": lattice_minmax}

Vae = tuple[keras.Model, keras.Model]


@dataclass(frozen=True)
class Reconstruction:
    """B structures through the VAE with z = z_mean.

    ``true`` and ``maps`` (B, G, G, G, 4) float32; ``density`` (B, G, G, G) float64 before rounding;
    ``z_mean`` and ``z_log_var`` (B, 256).
    """

    true: np.ndarray
    maps: np.ndarray
    density: np.ndarray
    z_mean: np.ndarray
    z_log_var: np.ndarray

    @property
    def squared_errors(self) -> np.ndarray:
        """(B, G, G, G, 4)."""
        return np.square(self.maps - self.true)

    @property
    def divergence(self) -> np.ndarray:
        """(B,) in nats (F14)."""
        return keras.ops.convert_to_numpy(kl_divergence(self.z_mean, self.z_log_var))

    @property
    def lattices(self) -> dict[str, np.ndarray]:
        """Cell lengths (B, 3) in Å by formula (F16)."""
        return {name: formula(self.maps[..., 1:]) for name, formula in LATTICE_FORMULAS.items()}


def reconstruct(vae: Vae, crystals: Sequence[Crystal], bins: Sequence[int]) -> Reconstruction:
    """Encode and decode crystals under the conditions ``bins`` (B,), without sampling."""
    encoder, decoder = vae
    maps = [voxelize(c.numbers, c.fractional, c.lengths, ionic_radii(), GRID)[0] for c in crystals]
    true = np.stack([input_maps(density, c.lengths) for density, c in zip(maps, crystals, strict=True)])
    condition = one_hot(np.asarray(bins), encoder.input["condition"].shape[-1])
    z_mean, z_log_var = encoder.predict_on_batch({"maps": true, "condition": condition})
    decoded = decoder.predict_on_batch({"z": z_mean, "condition": condition})
    return Reconstruction(true, np.asarray(decoded), np.stack(maps), np.asarray(z_mean), np.asarray(z_log_var))


def choose_per_family(crystals: Sequence[Crystal], count: int, seed: int) -> list[Crystal]:
    """Return ``count`` crystals of each family drawn with ``seed``, or all where there are fewer."""
    rng = np.random.default_rng(seed)
    chosen = []
    for family in FAMILIES:
        members = [crystal for crystal in crystals if crystal.family == family]
        picks = rng.choice(len(members), min(count, len(members)), replace=False)
        chosen += [members[index] for index in sorted(picks)]
    return chosen


def evaluate_vae(vae: Vae, crystals: Sequence[Crystal], bin_of: dict[str, int], tick: Callable) -> dict:
    """Return, per cell choice and family, the errors of reconstructions; ``tick(n)`` is told of progress.

    MSE over all voxels and channels and of the density alone, divergence in nats, mean absolute error
    of (a, b, c) in Å by both formulas; means over structures, with median and standard error of the MSE.
    """
    results = {}
    for cell in CELLS:
        used, rejected = _in_cell(crystals, cell)
        records = []
        for start in range(0, len(used), VAE_BATCH):
            chunk = used[start : start + VAE_BATCH]
            records += _errors(chunk, reconstruct(vae, chunk, [bin_of[crystal.id] for crystal in chunk]))
            tick(len(chunk))
        groups = {family: [record for record in records if record["family"] == family] for family in FAMILIES}
        results[cell] = {"all": _means(records)} | {name: _means(group) for name, group in groups.items()}
        results[cell]["left_out"] = count_reasons(rejected)
    return results


def _in_cell(crystals: Sequence[Crystal], cell: str) -> tuple[list[Crystal], list[Rejected]]:
    if cell == "primitive":
        return list(crystals), []
    converted, unconverted = to_conventional(crystals)
    kept, unusable = screen(converted, max_sites=MAX_SITES_VAE)
    return kept, unconverted + unusable


def _errors(crystals: Sequence[Crystal], found: Reconstruction) -> list[dict]:
    squared, divergence, lattices = found.squared_errors, found.divergence, found.lattices
    return [
        {
            "family": crystal.family,
            "mse": squared[i].mean(dtype=np.float64),
            "density_mse": squared[i, ..., 0].mean(dtype=np.float64),
            "kld": divergence[i],
            "lattice_mae": {name: np.abs(lengths[i] - crystal.lengths) for name, lengths in lattices.items()},
        }
        for i, crystal in enumerate(crystals)
    ]


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
            name: np.mean([record["lattice_mae"][name] for record in records], axis=0) for name in LATTICE_FORMULAS
        },
    }


def property_labels(crystals: Sequence[Crystal], property: str) -> np.ndarray:
    """Return the labels (n,) that a released CGCNN predicts, NaN where there is none.

    Formation energy in eV/atom; ``bulk_modulus`` as ln(K/GPa) of 0 < K < 1000 (F28), from ``K_VRH`` or
    the fitted equation of state.
    """
    if property == "formation_energy_per_atom":
        return np.array([crystal.formation_energy_per_atom for crystal in crystals])
    known = (crystal.properties for crystal in crystals)
    moduli = np.array([values.get("K_VRH", values.get("bulk_modulus_eos", np.nan)) for values in known])
    physical = (moduli > 0) & (moduli < MAX_MODULUS)
    return np.log(moduli, where=physical, out=np.full(len(moduli), np.nan))


def labelled_sample(
    crystals: Sequence[Crystal], property: str, count: int, seed: int
) -> tuple[list[Crystal], np.ndarray]:
    """Return at most ``count`` usable crystals that have a label, in a seeded random order, and the labels."""
    labels = property_labels(crystals, property)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(np.isfinite(labels)))[:count]
    if not len(order):
        return [], labels[order]
    drawn = [crystals[index] for index in order]
    kept, _ = screen(drawn, max_sites=MAX_SITES_CGCNN, families=None, require_label=False, cubic=False)
    by_id = dict(zip((crystal.id for crystal in drawn), labels[order], strict=True))
    return kept, np.array([by_id[crystal.id] for crystal in kept])


def released_graphs(crystals: Sequence[Crystal]) -> list[Graph]:
    """Return the graphs as the release builds them: equal distances in the order of the search."""
    return build_graphs(crystals, ties="as_found")


def evaluate_cgcnn(model: keras.Model, graphs: Sequence[Graph], labels: np.ndarray) -> dict:
    """Return the mean and median absolute error by batch size, missing neighbours masked and filled (F27)."""
    batch = pad_batch(graphs)
    results = []
    for filled in (False, True):
        for size in CGCNN_BATCHES:
            errors = np.abs(predict_released(model, batch, size, fill_missing=filled) - labels)
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
