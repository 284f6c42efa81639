"""Compares our networks with the authors' weights against reference outputs computed with the authors' code.

``oracle.json`` holds the outputs of the released VAE for 24 structures, and of three released CGCNNs for 31,
alone and in one batch (F27).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from data_prep.crystal import Crystal
from data_prep.errors import InputError
from models.released.cgcnn_weights import predict_released
from repro.decoding.latents import Autoencoder
from repro.released.released_errors import in_batches, reconstruct_crystals, released_graphs

TOLERANCE = 1e-3  # relative: float32 throughout
# eV/atom or ln(GPa): least value that a deviation is divided by. The reference has five decimals, and one of its
# formation energies is 0.005 eV/atom.
SMALL_PROPERTY = 0.05


@dataclass(frozen=True)
class Agreement:
    """The largest relative ``deviation`` of one quantity from the reference, and the ``worst`` structure.

    A vector (a lattice, latent components) is compared as a whole: largest difference over largest
    reference component, because a component may be zero.
    """

    quantity: str
    count: int
    deviation: float
    worst: str

    @property
    def met(self) -> bool:
        """Whether the deviation is within ``TOLERANCE``; false for NaN."""
        return self.deviation <= TOLERANCE


def compare_vae(
    autoencoder: Autoencoder, crystals: dict[str, Crystal], entries: Sequence[dict[str, Any]]
) -> list[Agreement]:
    """Return the agreement of every quantity, with the reference's own conditions; ``crystals`` by id."""
    ids = [entry["mp_id"] for entry in entries]
    found = reconstruct_crystals(autoencoder, pick(crystals, ids), [entry["condition_bin"] for entry in entries])
    ours = {
        "density_sum": found.true[..., 0].sum(axis=(1, 2, 3), dtype=np.float64),
        "density_max": found.true[..., 0].max(axis=(1, 2, 3)),
        "z_mean_norm": np.linalg.norm(found.z_mean, axis=1),
        "z_mean_first4": found.z_mean[:, :4],
        "reconstruction_mse": found.squared_errors.mean(axis=(1, 2, 3, 4), dtype=np.float64),
        "kld": found.divergence,
        "lattice_minmax": found.spanned_lengths,
        "lattice_least_squares": found.fitted_lengths,
    }
    return [_agreement(f"VAE {name}", values, [entry[name] for entry in entries], ids) for name, values in ours.items()]


def compare_cgcnn(
    models: dict[str, keras.Model], crystals: dict[str, Crystal], reference: dict[str, Any]
) -> list[Agreement]:
    """Return the agreement of each property's network (``models`` by property), alone and in one batch.

    Missing neighbours are masked, as in the reference outputs.
    """
    ids = reference["mp_ids"]
    graphs = released_graphs(pick(crystals, ids))
    return [
        _agreement(
            f"CGCNN {name}, {how}",
            predict_released(model, in_batches(graphs, size)),
            reference[name][how],
            ids,
            SMALL_PROPERTY,
        )
        for name, model in models.items()
        for how, size in (("alone", 1), ("one_batch", len(ids)))
    ]


def pick(crystals: dict[str, Crystal], ids: Sequence[str]) -> list[Crystal]:
    """Return the crystals of ``ids`` in order; raises InputError naming those missing in the tables."""
    missing = [id for id in ids if id not in crystals]
    if missing:
        raise InputError(f"the tables lack {', '.join(missing)} of oracle.json: both must be of one version")
    return [crystals[id] for id in ids]


def _agreement(
    quantity: str, ours: np.ndarray, reference: Sequence, ids: Sequence[str], floor: float = 0.0
) -> Agreement:
    ours = np.asarray(ours, dtype=np.float64).reshape(len(ids), -1)
    wanted = np.asarray(reference, dtype=np.float64).reshape(len(ids), -1)
    deviations = np.abs(ours - wanted).max(axis=1) / np.maximum(np.abs(wanted).max(axis=1), floor)
    worst = int(np.argmax(deviations))  # the first NaN, if there is one
    return Agreement(quantity, len(ids), float(deviations[worst]), ids[worst])
