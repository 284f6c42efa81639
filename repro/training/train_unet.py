"""The stage that trains the UNet (Methods, "3-D Multiclass Atom Segmentation")."""

from argparse import Namespace

import keras
import numpy as np

from data_prep.elements import RADII
from data_prep.shards import VoxelStore
from models.improved_unet import build_improved_unet
from models.table6 import UNetParameters
from models.unet import WeightedCategoricalCrossentropy, build_unet, inverse_frequency_weights
from repro.run import Run
from repro.training.dataset import load_dataset, load_store
from repro.training.feeds import Exchange, SampleOrder, UNetFeed, exchange_of
from repro.training.fit import BEST, Budget, compile_model, fit_epochs, load_weights


def train_unet(run: Run, options: Namespace) -> dict:
    """Train on the training part: species with the weighted cross-entropy, occupancy with the binary one (F21, F22)."""
    parameters, feed, seed = run.preset.unet, run.preset.unet_feed, run.preset.seed
    dataset, store = load_dataset(run), load_store(run)
    keras.utils.set_random_seed(seed)
    model = build_segmenter(parameters, run.preset.voxels.radii)
    train, held = dataset.indices("train"), dataset.indices("validation", feed.validation_limit)
    order = SampleOrder(train, feed.rotations, parameters.batch_size, feed.steps_per_epoch, seed)
    budget = Budget(
        parameters.epochs, order.steps, parameters.learning_rate, parameters.schedule, parameters.warmup_steps
    )
    held_order = SampleOrder(held, 0, parameters.batch_size, 0, seed)
    exchange = exchange_of(dataset, feed.substituted, run.preset.voxels.radii)
    weights = class_weights(store, train, parameters.classes, parameters.class_weighting)
    compile_model(
        model,
        budget,
        loss={"species": WeightedCategoricalCrossentropy(weights), "occupied": keras.losses.BinaryCrossentropy()},
    )
    history = fit_epochs(
        model,
        budget,
        lambda epoch: UNetFeed(store, order, parameters.crop, epoch, exchange, feed.noise),
        UNetFeed(store, held_order, parameters.crop, 0, Exchange(dataset.crystals)),
        run.folder("train-unet"),
    )
    return {
        "parameters": model.count_params(),
        "epochs": len(history),
        "samples": len(history) * order.steps * order.batch_size,
        "seconds": round(sum(epoch["seconds"] for epoch in history)),
    }


def build_segmenter(parameters: UNetParameters, radii: str) -> keras.Model:
    """Return the untrained UNet: the paper's, or the one that is told of Gaussians with ``radii``."""
    return build_improved_unet(parameters, RADII[radii]()) if parameters.gaussian else build_unet(parameters)


def class_weights(store: VoxelStore, indices: np.ndarray, classes: int, weighted: bool) -> np.ndarray:
    """Return the weights (classes,) of the species loss from the voxels of the training maps (F21)."""
    counts = np.zeros(classes)
    for index in indices:
        counts += np.bincount(store.species(index).ravel(), minlength=classes)
    return inverse_frequency_weights(counts) if weighted else np.ones(classes)


def trained_unet(run: Run) -> keras.Model:
    """Return the UNet of a run, with the weights of its best epoch."""
    model = build_segmenter(run.preset.unet, run.preset.voxels.radii)
    load_weights(model, run.folder("train-unet") / BEST)
    return model
