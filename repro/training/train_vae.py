"""The stage that trains the Cond-DFC-VAE; the frozen UNet is its perceptual model (Methods)."""

from collections.abc import Callable

import keras

from data_prep.conditions import one_hot
from data_prep.elements import radii_of
from models.beyond_paper import ImprovedVAEParameters
from models.improved_vae import ImprovedVAE
from models.precision import convolutions_in
from models.table6 import VAEParameters
from models.unet import perceptual_features
from models.vae import CondDFCVAE, start_from_statistics
from repro.run import Run
from repro.training.dataset import load_dataset, load_store
from repro.training.device_limits import require_precision
from repro.training.device_maps import MapDrawing
from repro.training.drawn_on_device import VAEOnDevice, crystal_feed
from repro.training.feeds import Exchange, SampleOrder, VAEFeed
from repro.training.fit import BEST, load_weights
from repro.training.perceptual_scale import of_first, perceptual_scale, scaled_features
from repro.training.train_maps import fit_on_maps
from repro.training.train_unet import trained_unet

STATISTICS = 64  # about so many training maps give the mean and deviation to start from, and the features' scale


def train_vae(run: Run) -> dict:
    """Train on the training part with MSE + alpha perceptual + beta KLD (Methods; Table 6; F42)."""
    parameters, training = run.preset.vae, run.preset.vae_training
    require_precision(training.precision, "train-vae")
    dataset, store, folder = load_dataset(run), load_store(run), run.folder("train-vae")
    train = dataset.indices("train")
    some = train[:: max(1, len(train) // STATISTICS)]
    keras.utils.set_random_seed(run.preset.seed)
    features, scale = None, {}
    with convolutions_in(training.precision):
        if parameters.alpha:
            features = perceptual_features(trained_unet(run))
            if training.perceptual_scale == "mean_square":
                scale = perceptual_scale(folder, features, store.maps(some))
                features = scaled_features(features, scale)
            if training.perceptual_samples:
                features = of_first(training.perceptual_samples, features)
        model = build_vae(parameters, store.grid, features, run.preset.seed)
    if training.start_from_statistics:
        start_from_statistics(model.decoder, store.maps(some))
    conditions = one_hot(dataset.bins, parameters.conditions)

    def feed(order: SampleOrder, epoch: int, exchange: Exchange, noise: float) -> VAEFeed:
        return VAEFeed(store, conditions, order, epoch, exchange)

    vae = model
    if training.drawn_on == "device":
        radii = radii_of(run.preset.voxels.radii)
        model = VAEOnDevice(vae, MapDrawing(radii, store.grid, labels=False, errors=False, seed=run.preset.seed))
        feed = crystal_feed(dataset)

    def begin(epoch: int) -> None:
        perceives = epoch >= training.perceptual_from
        if perceives != vae.perceptual_training:
            vae.perceptual_training = perceives
            model.make_train_function(force=True)

    counts = fit_on_maps(run, model, parameters, training, feed, folder, begin)
    return counts | ({"perceptual_scale": scale} if scale else {})


def build_vae(parameters: VAEParameters, grid: int, features: Callable | None = None, seed: int = 0) -> CondDFCVAE:
    """Return the untrained model: the paper's, or the one with heads for composition and lattice."""
    model = ImprovedVAE if isinstance(parameters, ImprovedVAEParameters) else CondDFCVAE
    return model(parameters, grid, features, seed)


def trained_vae(run: Run) -> CondDFCVAE:
    """Return the VAE of a run with the weights of its best epoch; raises InputError naming a damaged file."""
    model = build_vae(run.preset.vae, run.preset.voxels.grid)
    load_weights(model, run.folder("train-vae") / BEST)
    return model
