"""The stage that trains the Cond-DFC-VAE, the frozen UNet being its perceptual model (Methods)."""

from argparse import Namespace
from collections.abc import Callable

import keras
import numpy as np

from data_prep.conditions import one_hot
from data_prep.shards import VoxelStore
from models.improved_vae import ImprovedVAE
from models.table6 import VAEParameters
from models.unet import perceptual_features
from models.vae import CondDFCVAE, start_from_statistics
from repro.decoding import encodings, site_counts
from repro.decoding.encodings import encode_crystals, encoded_latents
from repro.run import Run
from repro.training.dataset import Dataset, load_dataset, load_store
from repro.training.feeds import Exchange, SampleOrder, VAEFeed, exchange_of, input_maps
from repro.training.fit import BEST, Budget, compile_model, fit_epochs, load_weights
from repro.training.train_unet import trained_unet

STATISTICS = 64  # training maps whose mean and deviation the decoder may start from


def train_vae(run: Run, options: Namespace) -> dict:
    """Train on the training part with MSE + alpha perceptual + beta KLD (Methods; Table 6)."""
    parameters, feed, seed = run.preset.vae, run.preset.feed, run.preset.seed
    dataset, store = load_dataset(run), load_store(run)
    keras.utils.set_random_seed(seed)
    features = perceptual_features(trained_unet(run)) if parameters.alpha else None
    model = build_vae(parameters, store.grid, features, seed)
    train, held = dataset.indices("train"), dataset.indices("validation", feed.validation_limit)
    if parameters.start_from_statistics:
        some = train[:: max(1, len(train) // STATISTICS)]
        start_from_statistics(model.decoder, np.stack([input_maps(store.density(i), store.lengths[i]) for i in some]))
    order = SampleOrder(train, feed.rotations, parameters.batch_size, feed.steps_per_epoch, seed)
    budget = Budget(
        parameters.epochs, order.steps, parameters.learning_rate, parameters.schedule, parameters.warmup_steps
    )
    compile_model(model, budget)
    held_order = SampleOrder(held, 0, parameters.batch_size, 0, seed)
    conditions = one_hot(dataset.bins, parameters.conditions)
    exchange = exchange_of(dataset, feed.substituted, run.preset.voxels.radii)
    history = fit_epochs(
        model,
        budget,
        lambda epoch: VAEFeed(store, conditions, order, epoch, exchange),
        VAEFeed(store, conditions, held_order, 0, Exchange(dataset.crystals)),
        run.folder("train-vae"),
    )
    if parameters.heads:
        load_weights(model, run.folder("train-vae") / BEST)
        _tell_of_latents(run, model.encoder, dataset, store)
    return {
        "parameters": model.count_params(),
        "epochs": len(history),
        "samples": len(history) * order.steps * order.batch_size,
        "seconds": round(sum(epoch["seconds"] for epoch in history)),
    }


def _tell_of_latents(run: Run, encoder: keras.Model, dataset: Dataset, store: VoxelStore) -> None:
    """Encode the training part and write what generation needs to know of it: site counts, where latents lie."""
    chosen, folder = dataset.indices("train"), run.folder("train-vae")
    mean, log_var = encode_crystals(encoder, dataset, store, chosen)
    encodings.write_encoded_latents(encoded_latents(dataset, chosen, mean, log_var), folder / encodings.FILE)
    some = np.arange(len(chosen))[:: -(-len(chosen) // site_counts.CRYSTALS)]
    sizes = np.array([dataset.crystals[index].n_sites for index in chosen[some]])
    counts = site_counts.fit_site_counts(mean[some], log_var[some], sizes, run.preset.seed)
    site_counts.write_site_counts(counts, folder / site_counts.FILE)


def build_vae(parameters: VAEParameters, grid: int, features: Callable | None = None, seed: int = 0) -> CondDFCVAE:
    """Return the untrained model: the paper's, or the one with heads for composition and lattice."""
    return (ImprovedVAE if parameters.heads else CondDFCVAE)(parameters, grid, features, seed)


def trained_vae(run: Run) -> tuple[keras.Model, keras.Model]:
    """Return encoder and decoder of a run, with the weights of the best epoch."""
    model = build_vae(run.preset.vae, run.preset.voxels.grid)
    load_weights(model, run.folder("train-vae") / BEST)
    return model.encoder, model.decoder
