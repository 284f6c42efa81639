"""The stage that trains the UNet (Methods, "3-D Multiclass Atom Segmentation")."""

import keras
import numpy as np

from data_prep.elements import radii_of
from data_prep.errors import InputError
from data_prep.shards import VoxelStore
from models.beyond_paper import ImprovedUNetParameters
from models.improved_unet import build_improved_unet
from models.precision import convolutions_in
from models.table6 import UNetParameters
from models.unet import WeightedCategoricalCrossentropy, build_unet, inverse_frequency_weights
from repro.decoding.unet_folder import WEIGHTS as UNET_WEIGHTS
from repro.network_folders import PUBLISHED_UNET, read_manifest, write_weights
from repro.run import Run
from repro.training.dataset import load_dataset, load_store
from repro.training.device_limits import require_precision
from repro.training.device_maps import MapDrawing
from repro.training.drawn_on_device import UNetOnDevice, crystal_feed
from repro.training.feeds import Exchange, SampleOrder, UNetFeed
from repro.training.fit import BEST, forget_training, load_weights
from repro.training.named_weights import load_named_weights
from repro.training.train_maps import fit_on_maps


def train_unet(run: Run) -> dict:
    """Train on the training part: species with the weighted cross-entropy, occupancy with the binary one (F21, F22)."""
    parameters, training = run.preset.unet, run.preset.unet_training
    if training.published:
        return _take_published(run)
    require_precision(training.precision, "train-unet")
    dataset, store = load_dataset(run), load_store(run)
    keras.utils.set_random_seed(run.preset.seed)
    with convolutions_in(training.precision):
        model = build_segmenter(parameters, run.preset.voxels.radii)
    weights = class_weights(store, dataset.indices("train"), parameters, training.class_weight_cap)

    def feed(order: SampleOrder, epoch: int, exchange: Exchange, noise: float) -> UNetFeed:
        return UNetFeed(store, order, training.crop, epoch, exchange, noise)

    if training.drawn_on == "device":
        radii, errors = radii_of(run.preset.voxels.radii), training.noise > 0
        model = UNetOnDevice(model, MapDrawing(radii, store.grid, labels=True, errors=errors, seed=run.preset.seed))
        feed = crystal_feed(dataset)
    losses = {"species": WeightedCategoricalCrossentropy(weights), "occupied": keras.losses.BinaryCrossentropy()}
    return fit_on_maps(run, model, parameters, training, feed, run.folder("train-unet"), loss=losses)


def _take_published(run: Run) -> dict:
    """Write the project's UNet as the run's; raises InputError if it is damaged or of another size or radii."""
    manifest, model = read_manifest(PUBLISHED_UNET), build_segmenter(run.preset.unet, run.preset.voxels.radii)
    if manifest.get("radii") != run.preset.voxels.radii:
        raise InputError(f"{PUBLISHED_UNET} is for maps of other radii than {run.preset.voxels.radii}.")
    load_named_weights(model, PUBLISHED_UNET / UNET_WEIGHTS)
    forget_training(run.folder("train-unet"))
    write_weights(model, run.folder("train-unet") / BEST)
    return manifest["training"]["train-unet"] | {"published": manifest["sha256"][UNET_WEIGHTS]}


def build_segmenter(parameters: UNetParameters, radii: str, grid: int | None = None) -> keras.Model:
    """Return the untrained UNet: the paper's, or the one with local Gaussians, whose elements have these ``radii``.

    ``grid`` fixes the number of voxels along an edge, None leaves it open.
    """
    if isinstance(parameters, ImprovedUNetParameters):
        return build_improved_unet(parameters, radii_of(radii), grid)
    return build_unet(parameters, grid)


def class_weights(store: VoxelStore, indices: np.ndarray, parameters: UNetParameters, cap: float = 0.0) -> np.ndarray:
    """Return the weights (classes,) of the species loss from the voxels of the training maps (F21).

    ``cap`` limits them to that multiple of their median, 0 not at all.
    """
    if not parameters.class_weighting:
        return np.ones(parameters.classes)
    counts = np.zeros(parameters.classes)
    for index in indices:
        counts += np.bincount(store.species(index).ravel(), minlength=parameters.classes)
    return inverse_frequency_weights(counts, cap)


def trained_unet(run: Run) -> keras.Model:
    """Return the UNet of a run with the weights of its best epoch; raises InputError naming a damaged file."""
    model = build_segmenter(run.preset.unet, run.preset.voxels.radii)
    load_weights(model, run.folder("train-unet") / BEST)
    return model
