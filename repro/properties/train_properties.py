"""The stages that train the property networks and gather them (Methods, "Crystal-Property Prediction"; F26 to F29).

Formation energy and energy per atom are learned from scratch; every other property starts from the graph
layers of the formation-energy network, first with these frozen, then all layers together.
"""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import keras
import numpy as np

from data_prep.coordination import all_coordinations
from data_prep.element_features import element_features
from data_prep.errors import InputError
from data_prep.property_labels import PROPERTIES
from models.cgcnn import build_cgcnn, copy_graph_layers, graph_layers, set_target_scale
from models.table6 import CGCNNParameters
from repro import stamps
from repro.presets import PropertyTrainingParameters
from repro.properties.import_properties import imported
from repro.properties.network_folder import write_property_networks
from repro.properties.property_data import PropertyData, load_property_data
from repro.properties.training_plan import Task, plan
from repro.run import Run
from repro.training.feeds import GraphFeed, shuffled_batches
from repro.training.fit import BEST, Budget, compile_model, fit_epochs, load_weights

_LOSS = "mean_absolute_error"  # F26


def train_cgcnn(run: Run) -> dict:
    """Train a network for each property with enough labels, or several, each in its own folder."""
    data, parameters, folder = load_property_data(run), run.preset.cgcnn, run.folder("train-cgcnn")
    training = run.preset.cgcnn_training
    tasks, left_out = plan(data, training, run.preset.seed + training.seed_shift)
    for name, why in left_out.items():
        print(f"{PROPERTIES[name].title}: not trained, {why} in {run.source}.")
    if not tasks:
        raise InputError(f"{run.source} has no property with enough labels to train a network on.")
    networks = {}
    for number, task in enumerate(tasks, start=1):
        labelled = len(data.labelled(task.property, "train"))
        print(f"network {number} of {len(tasks)}: {task.name}, {labelled} training crystals", flush=True)
        networks[task.name] = train_network(task, data, parameters, training, folder)
    first = networks[tasks[0].name]
    return {"parameters": first["parameters"], "epochs": first["epochs"], "networks": networks, "not trained": left_out}


def train_network(
    task: Task,
    data: PropertyData,
    parameters: CGCNNParameters,
    training: PropertyTrainingParameters,
    folder: Path,
) -> dict:
    """Train one network and return its counts and the validation error of its best epoch."""
    facts = {"property": task.property, "pretrained": task.pretrained, "seed": task.seed}
    if taken := imported(folder / task.name):
        model = load_network(parameters, folder / task.name / BEST)
        return facts | {"parameters": model.count_params(), "epochs": 0, "seconds": 0, "imported": taken}
    keras.utils.set_random_seed(task.seed)
    model = build_cgcnn(parameters, element_features())
    set_target_scale(model, data.labels[task.property][data.labelled(task.property, "train")])
    fit = partial(_fit, model, task, data, parameters, training)
    epochs = training.epochs
    if task.pretrained:
        copy_graph_layers(load_network(parameters, folder / task.pretrained / BEST), model)
        for layer in graph_layers(model):
            layer.trainable = False
        fit(training.head_epochs, folder / task.name / "head")
        load_weights(model, folder / task.name / "head" / BEST)
        for layer in graph_layers(model):
            layer.trainable = True
        epochs = training.transfer_epochs
    history = fit(epochs, folder / task.name)
    best = min(history, key=lambda epoch: epoch["val_loss"])
    return facts | {
        "parameters": model.count_params(),
        "epochs": len(history),
        "best_epoch": history.index(best) + 1,
        "validation_mae": best["val_loss"],
        "seconds": round(sum(epoch["seconds"] for epoch in history)),
    }


def _fit(
    model: keras.Model,
    task: Task,
    data: PropertyData,
    parameters: CGCNNParameters,
    training: PropertyTrainingParameters,
    epochs: int,
    folder: Path,
) -> list[dict]:
    """Fit ``epochs`` epochs into ``folder`` with the mean absolute error and early stopping (F26)."""
    train, held = (data.labelled(task.property, part) for part in ("train", "validation"))
    size = parameters.batch_size
    steps = -(-len(train) // size)  # of one pass over the labels
    passes = -(-training.steps_per_epoch // steps)
    budget = Budget(epochs, passes * steps, parameters.learning_rate, training.schedule, 0, training.patience)
    compile_model(model, budget, loss=_LOSS)
    labels = data.labels[task.property].astype("float32")
    return fit_epochs(
        model,
        budget,
        lambda epoch: GraphFeed(data.graphs, labels, shuffled_batches(train, size, task.seed, epoch, passes)),
        GraphFeed(data.graphs, labels, shuffled_batches(held, size, task.seed, 0)),
        folder,
    )


def load_network(parameters: CGCNNParameters, path: Path) -> keras.Model:
    """Return the network whose weights are in ``path``; raises InputError when they are missing or do not fit."""
    model = build_cgcnn(parameters, element_features())
    load_weights(model, path)
    return model


def gather_properties(run: Run) -> dict:
    """Write the trained networks, in the order of their training and at their best epochs, with what they saw."""
    data, networks = load_property_data(run), trained_networks(run)
    training = np.flatnonzero(data.parts == "train")
    seen = all_coordinations(data.graphs[index] for index in training)
    facts = {
        "preset": run.preset.name,
        "source": run.source_name,
        "split": {"by": run.preset.property_data.split_by, "seed": run.preset.seed, "sha256": data.split_sha256},
        "cgcnn_training": asdict(run.preset.cgcnn_training),
        "training_crystals": len(training),
    }
    write_property_networks(run.folder("properties"), networks, run.preset.cgcnn, seen, facts)
    return {"networks": {name: len(members) for name, members in networks.items()}}


def trained_networks(run: Run) -> dict[str, list[keras.Model]]:
    """Return the networks of a run by property, in the order of their training, at their best epochs."""
    folder = run.folder("train-cgcnn")
    stamp = stamps.read(folder)
    if stamp is None:
        raise InputError(f"{folder} has no finished result: run the stage 'train-cgcnn' first.")
    networks: dict[str, list[keras.Model]] = {}
    for name, facts in stamp["counts"]["networks"].items():
        networks.setdefault(facts["property"], []).append(load_network(run.preset.cgcnn, folder / name / BEST))
    return networks
