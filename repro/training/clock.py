"""Training by the clock: a GPU that is lent for minutes is used to the end, and the learning rate falls with time."""

import math
import time
from collections.abc import Callable

import keras

EVERY = 10  # steps between two settings of the learning rate


def rate_at(peak: float, schedule: str, warmup_steps: int, step: int, share: float) -> float:
    """Return the learning rate at a ``step`` when this ``share`` of the time has passed: a cosine over the time.

    The first ``warmup_steps`` rise linearly to it. Any other schedule stays at the ``peak``.
    """
    risen = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    fallen = 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0))) if schedule == "cosine" else 1.0
    return peak * risen * fallen


class Clock(keras.callbacks.Callback):
    """Sets the learning rate by the time of the whole training, and ends the epoch when that time is up.

    ``rate`` gives the learning rate of a step and a share of the time; ``seconds_before`` and ``steps_before`` are
    those of earlier epochs. ``steps`` counts the steps of this epoch.
    """

    def __init__(self, seconds: float, rate: Callable[[int, float], float], seconds_before: float, steps_before: int):
        super().__init__()
        self.seconds, self.rate, self.steps_before, self.steps = seconds, rate, steps_before, 0
        self.started = time.perf_counter() - seconds_before

    @property
    def share(self) -> float:
        """The share of the time that has passed."""
        return (time.perf_counter() - self.started) / self.seconds

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Set the learning rate of every ``EVERY``-th step."""
        if batch % EVERY == 0:
            # On JAX ``self.model`` first brings back what is being trained: the new rate is not lost.
            self.model.optimizer.learning_rate = self.rate(self.steps_before + batch, self.share)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Count the step, and stop the training if the time is over."""
        self.steps = batch + 1
        if self.share >= 1.0:
            self.model.stop_training = True
