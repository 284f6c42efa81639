"""What the trainings of the VAE and the UNet share: the order of the samples, the budget, the feeds of each epoch."""

from collections.abc import Callable
from pathlib import Path

import keras

from models.table6 import UNetParameters, VAEParameters
from repro.presets import TrainingParameters
from repro.run import Run
from repro.training.dataset import load_dataset
from repro.training.device_limits import explaining_memory
from repro.training.feeds import Exchange, SampleOrder, exchange_of
from repro.training.fit import Budget, compile_model, fit_epochs, steps_of, trained_network

Feed = Callable[[SampleOrder, int, Exchange, float], keras.utils.PyDataset]  # order, epoch, exchange, noise


def fit_on_maps(
    run: Run,
    model: keras.Model,
    parameters: VAEParameters | UNetParameters,
    training: TrainingParameters,
    feed: Feed,
    folder: Path,
    begin: Callable[[int], None] = lambda epoch: None,
    **losses,
) -> dict:
    """Fit a network to the maps of the training part, validate it after each epoch, and return the stage's counts.

    ``begin`` is called with the number of each epoch, counted from 0, before it. Validation maps are those of the real
    crystals, without rotations, exchanged elements or errors. The ``losses`` are those of ``compile_model``.
    """
    dataset, seed = load_dataset(run), run.preset.seed
    train, held_out = dataset.indices("train"), dataset.indices("validation", training.validation_limit)
    order = SampleOrder(train, training.rotations, parameters.batch_size, training.steps_per_epoch, seed)
    held_order = SampleOrder(held_out, 0, parameters.batch_size, 0, seed)
    budget = Budget(
        parameters.epochs,
        order.steps,
        parameters.learning_rate,
        training.schedule,
        training.warmup_steps,
        minutes=training.minutes,
        restarts=training.restarts,
    )
    compile_model(model, budget, training.precision, **losses)
    exchange = exchange_of(dataset, training.substituted, run.preset.voxels.radii)

    def samples(epoch: int) -> keras.utils.PyDataset:
        begin(epoch)
        return feed(order, epoch, exchange, training.noise)

    with explaining_memory(folder, parameters.batch_size):
        history = fit_epochs(
            model,
            budget,
            samples,
            feed(held_order, 0, Exchange(dataset.crystals), 0.0),
            folder,
        )
    return {
        "parameters": trained_network(model).count_params(),
        "epochs": len(history),
        "samples": steps_of(history, budget) * order.batch_size,
        "seconds": round(sum(epoch["seconds"] for epoch in history)),
        "backend": keras.backend.backend(),
    }
