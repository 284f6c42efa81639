"""The only place that compiles and fits: epochs, checkpoints, logs, resuming."""

import errno
import hashlib
import json
import math
import os
import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
from tensorboard.summary import Writer
from tqdm import tqdm

from data_prep.errors import InputError
from data_prep.files.atomic import replacing, write_csv, write_json
from models.beyond_paper import Precision
from repro import stamps
from repro.training.checkpoint_parts import PART_BYTES, Checksums, joined, split_file
from repro.training.clock import Clock, rate_at
from repro.training.training_record import HISTORY

BEST = "best.weights.h5"
STATE = "state.json"
TENSORBOARD = "tensorboard"


@dataclass(frozen=True)
class Budget:
    """How long and how fast: epochs, steps per epoch, learning rate and its schedule (see ``repro.presets``)."""

    epochs: int
    steps: int
    learning_rate: float
    schedule: str
    warmup_steps: int
    patience: int = 0  # epochs without improvement before stopping, 0 for never
    minutes: float = 0.0  # by the clock, whatever ``epochs`` is; 0 trains ``epochs`` epochs
    restarts: int = 0  # of a cosine over the epochs


def adam(budget: Budget) -> keras.optimizers.Optimizer:
    """Return Adam (Methods: "Training procedures were performed using the ADAM optimizer")."""
    rate: float | keras.optimizers.schedules.LearningRateSchedule = budget.learning_rate
    if budget.schedule == "cosine" and not budget.minutes:  # the clock sets the rate itself
        rate = _Cosines(budget)
    return keras.optimizers.Adam(rate)


class _Cosines(keras.optimizers.schedules.LearningRateSchedule):
    """A rise and a cosine, begun again at each of the budget's restarts (Loshchilov and Hutter, 2017)."""

    def __init__(self, budget: Budget):
        self.steps = max(1, -(-budget.epochs * budget.steps // (budget.restarts + 1)))  # or the last would start anew
        falling = max(1, self.steps - budget.warmup_steps)
        self.cycle = keras.optimizers.schedules.CosineDecay(
            0.0, falling, warmup_target=budget.learning_rate, warmup_steps=budget.warmup_steps
        )

    def __call__(self, step):
        return self.cycle(keras.ops.mod(step, self.steps))


def compile_model(model: keras.Model, budget: Budget, precision: Precision = "float32", **losses) -> None:
    """Compile with Adam; with XLA only if the backend is built on it (on a CPU TensorFlow is slower with it).

    In float16 the loss is scaled, or small gradients would be zero.
    """
    optimizer = adam(budget)
    if precision == "float16":
        optimizer = keras.mixed_precision.LossScaleOptimizer(optimizer)
    model.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax", **losses)
    model.optimizer.build(model.trainable_variables)


class _Progress(keras.callbacks.Callback):
    """One progress bar over all epochs, with the rate, the remaining time and the losses by name."""

    def __init__(self, bar: tqdm):
        super().__init__()
        self.bar = bar

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()
        if batch % 10 == 0:
            self.bar.set_postfix({name: f"{value:.4g}" for name, value in (logs or {}).items()}, refresh=False)


def fit_epochs(
    model: keras.Model,
    budget: Budget,
    feed: Callable[[int], keras.utils.PyDataset],
    validation: keras.utils.PyDataset,
    folder: Path,
    monitor: str = "loss",
) -> list[dict]:
    """Train a compiled model epoch by epoch and return the history, one dict of losses per epoch.

    After each epoch ``folder`` holds the whole training state, written atomically: a killed training
    resumes after the last completed epoch, on a CPU to the same weights. ``best.weights.h5`` is the
    epoch with the lowest validation ``monitor``, of the ``network`` alone if the model trains one. Of a training by
    the clock the time in training steps counts, over all interruptions. Raises InputError if a loss is not finite,
    or if that time is up within the first epoch.
    """
    history = restore(model, folder, monitor)
    writer = Writer(str(folder / TENSORBOARD))
    total = None if budget.minutes else budget.epochs * budget.steps
    done = steps_of(history, budget)
    with tqdm(total=total, initial=done, desc=folder.name, unit=" steps", mininterval=2) as bar:
        while not _ended(history, budget, monitor):
            epoch = len(history)
            history.append(_one_epoch(model, feed(epoch), validation, _Progress(bar), folder, history, budget))
            losses = "  ".join(f"{name} {value:.5g}" for name, value in history[-1].items())
            tqdm.write(f"epoch {epoch + 1}{_planned(history, budget)}  {losses}")
            save(model, folder, history, is_best=_best_epoch(history, monitor) == epoch)
            for name, value in history[-1].items():
                writer.add_scalar(name, value, epoch)
    writer.close()
    return history


def steps_of(history: list[dict], budget: Budget) -> int:
    """Return how many steps the epochs of a history had: by the clock, the last epoch has fewer."""
    return sum(epoch.get("steps", budget.steps) for epoch in history)


def _seconds(history: list[dict]) -> float:
    return sum(epoch["seconds"] for epoch in history)


def _ended(history: list[dict], budget: Budget, monitor: str) -> bool:
    over = _seconds(history) >= 60 * budget.minutes if budget.minutes else len(history) >= budget.epochs
    return over or _exhausted(history, monitor, budget.patience)


def _planned(history: list[dict], budget: Budget) -> str:
    return f", {_seconds(history) / 60:.1f} of {budget.minutes:g} min" if budget.minutes else f"/{budget.epochs}"


def _clock(history: list[dict], budget: Budget) -> Clock:
    rate = partial(rate_at, budget.learning_rate, budget.schedule, budget.warmup_steps)
    return Clock(60 * budget.minutes, rate, _seconds(history), steps_of(history, budget))


def _one_epoch(model, feed, validation, progress, folder: Path, history: list[dict], budget: Budget) -> dict:
    epoch, started = len(history), time.perf_counter()
    callbacks = [progress, keras.callbacks.TerminateOnNaN()]
    clock = _clock(history, budget) if budget.minutes else None
    if clock:
        callbacks.append(clock)
    logs = model.fit(feed, epochs=1, shuffle=False, verbose=0, callbacks=callbacks).history
    losses = {name: float(values[-1]) for name, values in logs.items()}
    seconds = time.perf_counter() - started
    if all(math.isfinite(value) for value in losses.values()):
        checked = model.evaluate(validation, verbose=0, return_dict=True)
        losses |= {f"val_{name}": float(value) for name, value in checked.items()}
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    if bad:
        kept = f"the last good epoch is kept in {folder}: " if history else ""
        raise InputError(
            f"{folder.name}: {', '.join(bad)} became NaN or infinite in epoch {epoch + 1}; "
            f"{kept}lower the learning rate in the preset (repro/presets.py) and remove {stamps.claimed(folder)} to "
            "start again."
        )
    if clock and not history and clock.steps < budget.steps:
        raise InputError(
            f"{folder.name}: {budget.minutes:g} minutes were over after {clock.steps} of the first {budget.steps} "
            "steps: this device is too slow; choose another preset, or raise minutes in this one (repro/presets.py) "
            f"and remove {stamps.claimed(folder)} to start again."
        )
    return losses | {"seconds": round(seconds, 2)} | ({"steps": clock.steps} if clock else {})


def _best_epoch(history: list[dict], monitor: str) -> int:
    return min(range(len(history)), key=lambda epoch: history[epoch][f"val_{monitor}"])


def _exhausted(history: list[dict], monitor: str, patience: int) -> bool:
    return bool(patience and history) and len(history) - 1 - _best_epoch(history, monitor) >= patience


def save(model: keras.Model, folder: Path, history: list[dict], is_best: bool) -> None:
    """Write weights, optimizer and history of a completed epoch; the epoch counts when the state file is written.

    Until then all files of the epoch before are there: those of this one have names of their own. The state holds
    checksums of the weights and also of the history: a damaged number still looks like a number.
    """
    current, best = _named("epoch", len(history)), _named("best", len(history))
    _require_space(model, folder / current, files=1 + is_best)
    sha256 = (_read_state(folder) or {}).get("sha256", {})
    sums = {BEST: _write(trained_network(model), folder / best) if is_best else sha256.get(BEST)}
    sums |= {current: _write(model, folder / current), "history": _sha256(history)}
    write_csv(folder / HISTORY, [{"epoch": number, **losses} for number, losses in enumerate(history, start=1)])
    write_json(folder / STATE, {"weights": current, "sha256": sums, "history": history})
    _settle(folder, len(history))


def _named(kind: str, epoch: int) -> str:
    return f"{kind}-{epoch:04d}.weights.h5"


def _settle(folder: Path, epoch: int) -> None:
    """Let the best weights have their name if they are of ``epoch``, the last in the state; remove other epochs'."""
    current, best = _named("epoch", epoch), _named("best", epoch)
    for path in (*folder.glob("epoch-*.weights.h5*"), *folder.glob("best-*.weights.h5*")):
        if path.name.startswith(best):
            path.replace(folder / path.name.replace(best, BEST))
        elif not path.name.startswith(current):
            path.unlink()


def trained_network(model: keras.Model) -> keras.Model:
    """Return the network that a training model is made around, or the model itself."""
    return getattr(model, "network", model)


def _write(model: keras.Model, path: Path) -> Checksums:
    """Write weights atomically, in parts if they are large, and return the checksums."""
    with replacing(path) as temporary:
        model.save_weights(temporary, overwrite=True)
    return split_file(path)


def forget_training(folder: Path) -> None:
    """Remove what a training has left in ``folder``, its best weights and its curves too."""
    for path in (folder / STATE, folder / HISTORY, *folder.glob("*.weights.h5*")):
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)


def _require_space(model: keras.Model, path: Path, files: int) -> None:
    """Raise OSError if the disk has no room for ``files`` files of weights: HDF5 may crash on a full disk."""
    variables = {id(variable): variable for variable in [*model.variables, *model.optimizer.variables]}
    size = 4 * sum(math.prod(variable.shape) for variable in variables.values())
    needed = 2**20 + (files + (size > PART_BYTES)) * size  # a file is whole until its parts are written
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def restore(model: keras.Model, folder: Path, monitor: str = "loss") -> list[dict]:
    """Load the last completed epoch into a compiled model and return the history, which is empty if there is none."""
    state = _read_state(folder)
    if state is None:
        return []
    if any(f"val_{monitor}" not in losses for losses in state["history"]):
        raise InputError(f"{folder / STATE} is damaged: remove {folder} to train again.")
    _settle(folder, len(state["history"]))
    load_weights(model, folder / state["weights"])
    return state["history"]


def _read_state(folder: Path) -> dict | None:
    """Return the state of a training, or None if it has not begun; raises InputError naming a damaged file."""
    path = folder / STATE
    try:
        state = json.loads(path.read_text())
        if state["sha256"]["history"] != _sha256(state["history"]) or state["weights"] not in state["sha256"]:
            raise ValueError("not what was written")
        return state
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # a JSON fault is a ValueError
        raise InputError(f"{path} is damaged: remove {folder} to train again.") from error


def _sha256(history: list[dict]) -> str:
    return hashlib.sha256(json.dumps(history).encode()).hexdigest()


def load_weights(model: keras.Model, path: Path) -> None:
    """Load a ``.weights.h5`` file; raises InputError naming it if it is missing, damaged or does not fit.

    If the state of a training is in the same folder, the file or its parts are compared with their checksums.
    """
    sums = (_read_state(path.parent) or {}).get("sha256", {}).get(path.name)
    try:
        with joined(path, sums) as whole, warnings.catch_warnings():
            warnings.filterwarnings("error", "Skipping")  # Keras would leave what does not fit as it is
            model.load_weights(whole)
    except UserWarning as error:
        raise _unloadable(path, "it does not fit") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, MemoryError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise _unloadable(path, reason) from error


def _unloadable(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} cannot be loaded ({reason}): it is missing, damaged or of another configuration; "
        "remove its folder to train again."
    )
