"""Training on maps that are drawn on the device: batches hold numbers, sites and lengths, a hundredth of the maps."""

from collections.abc import Sequence
from functools import lru_cache

import keras
import numpy as np

from data_prep.box import shift_to_origin
from data_prep.crystal import Crystal
from data_prep.substitution import composition_shares
from models.vae import CondDFCVAE
from repro.training.dataset import Dataset
from repro.training.device_maps import Crystals, MapDrawing
from repro.training.feeds import WORKERS, Exchange, SampleOrder, copy_rotation
from repro.training.train_maps import Feed

_rotation = lru_cache(maxsize=100_000)(copy_rotation)


def padded(crystals: Sequence[Crystal]) -> Crystals:
    """Return numbers (n, S), sites (n, S, 3) and lengths (n, 3) of crystals, with room for the largest of them."""
    shape = len(crystals), max(crystal.n_sites for crystal in crystals)
    numbers, sites = np.zeros(shape, np.int32), np.zeros((*shape, 3), np.float32)
    for row, crystal in enumerate(crystals):
        numbers[row, : crystal.n_sites] = crystal.numbers
        sites[row, : crystal.n_sites] = shift_to_origin(crystal.fractional)
    return Crystals(numbers, sites, np.array([crystal.lengths for crystal in crystals], np.float32))


def crystal_feed(dataset: Dataset) -> Feed:
    """Return the function that makes an epoch's ``CrystalFeed`` of a dataset's crystals."""
    crystals, conditions = padded(dataset.crystals), dataset.condition(np.arange(len(dataset.crystals)))

    def feed(order: SampleOrder, epoch: int, exchange: Exchange, noise: float) -> CrystalFeed:
        return CrystalFeed(crystals, conditions, order, epoch, exchange, noise)

    return feed


class CrystalFeed(keras.utils.PyDataset):
    """Batches of what ``MapDrawing`` draws, with condition (B, K) and composition (B, 95), for one epoch.

    ``exchange`` gives a share of the samples other elements; these have no condition (all 0). ``noise`` is the
    greatest size of the errors that the drawing adds.
    """

    def __init__(
        self,
        crystals: Crystals,
        conditions: np.ndarray,
        order: SampleOrder,
        epoch: int,
        exchange: Exchange,
        noise: float = 0.0,
    ):
        super().__init__(workers=WORKERS)
        self.crystals, self.conditions, self.order = crystals, conditions, order
        self.epoch, self.exchange, self.noise = epoch, exchange, noise

    def __len__(self) -> int:
        return self.order.steps

    def __getitem__(self, step: int):
        rng = np.random.default_rng((self.order.seed, self.epoch, step))
        samples = self.order.batch(self.epoch, step)
        chosen = np.array([index for index, _ in samples])
        numbers, sites, lengths = (array[chosen] for array in self.crystals)
        conditions = self.conditions[chosen]
        for row, index in enumerate(chosen):
            found = self.exchange.exchanged(index, rng)
            if found is not None:
                numbers[row, : len(found[0])], lengths[row] = found
                conditions[row] = 0
        axes, flips = zip(*(_rotation(self.order.seed, *sample) for sample in samples), strict=True)
        inputs = {
            "numbers": numbers,
            "sites": sites,
            "lengths": lengths,
            "axes": np.array(axes, np.int32),
            "flips": np.array(flips),
            "error": (self.noise * rng.random(len(chosen))).astype(np.float32),
            "condition": conditions,
            "composition": np.stack([composition_shares(row[row > 0]) for row in numbers]),
        }
        return (inputs,)


class DrawnOnDevice(keras.Model):
    """A training model around a ``network``, which it alone keeps: ``drawing`` makes the maps of each batch."""

    def __init__(self, network: keras.Model, drawing: MapDrawing):
        super().__init__(name=network.name)
        self.network, self.drawing = network, drawing
        self.built = True  # the parts are built; weights can be loaded before the first batch

    def build(self, input_shape=None):
        """Do nothing: the network is built when it is made."""

    def call(self, inputs, training=None):
        """Return what was ``drawn`` and what the network ``found`` in it."""
        drawn = inputs | self.drawing(inputs, training=training)
        return {"drawn": drawn, "found": self.network(self._input(drawn), training=training)}

    def _input(self, drawn: dict):
        raise NotImplementedError


class UNetOnDevice(DrawnOnDevice):
    """The UNet on maps drawn on the device; compiled with the losses of its outputs."""

    def _input(self, drawn: dict):
        return drawn["maps"]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of the species and the occupancy that were drawn."""
        labels = {name: y_pred["drawn"][name] for name in ("species", "occupied")}
        return super().compute_loss(x=x, y=labels, y_pred=y_pred["found"], training=training)


class VAEOnDevice(DrawnOnDevice):
    """The VAE on maps drawn on the device, with its own loss."""

    network: CondDFCVAE

    def _input(self, drawn: dict):
        return {name: drawn[name] for name in ("maps", "condition", "composition")}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss and the terms that the VAE records: Keras leaves out those of a model within a model."""
        return [*super().metrics, *self.network.trackers.values()]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the VAE's loss on the maps that were drawn."""
        return self.network.compute_loss(x=y_pred["drawn"], y_pred=y_pred["found"], training=training)
