"""The stage that trains the CGCNN on formation energy per atom (Methods, "Crystal-Property Prediction")."""

from argparse import Namespace
from collections.abc import Sequence

import keras
import numpy as np

from data_prep.crystal import Crystal
from data_prep.element_features import element_features
from data_prep.graphs import Graph, build_graphs, load_graphs, pad_batch, save_graphs
from models.cgcnn import build_cgcnn, set_target_scale
from models.table6 import CGCNNParameters
from repro.datasets import load_dataset
from repro.feeds import WORKERS
from repro.run import Run
from repro.train import BEST, Budget, compile_model, fit_epochs, load_weights

GRAPHS = "graphs.npz"
RUN_BATCHES = 8


class GraphFeed(keras.utils.PyDataset):
    """Batches of padded graphs with their targets (B, 1) for one epoch."""

    def __init__(self, graphs: Sequence[Graph], targets: np.ndarray, batches: list[np.ndarray]):
        super().__init__(workers=WORKERS)
        self.graphs, self.targets, self.batches = graphs, targets, batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, step: int):
        chosen = self.batches[step]
        return pad_batch([self.graphs[index] for index in chosen]), self.targets[chosen, None]


def sized_batches(indices: np.ndarray, sizes: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Return the batches of one epoch, every index once, crystals of like size together.

    Shuffled, then sorted by ``sizes`` within runs of ``RUN_BATCHES`` batches and shuffled again batch by
    batch: one crystal of 40 sites no longer pads 255 small ones, at 2 to 5 times the speed.
    """
    rng = np.random.default_rng((seed, epoch))
    batches = []
    for run in np.split(
        rng.permutation(indices), range(RUN_BATCHES * batch_size, len(indices), RUN_BATCHES * batch_size)
    ):
        ordered = run[np.argsort(sizes[run], kind="stable")]
        batches += [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
    shuffled = [batches[position] for position in rng.permutation(len(batches))]
    # TensorFlow takes the shapes of a feed from its first two batches: let them be the largest and the smallest.
    largest = max(range(len(shuffled)), key=lambda position: sizes[shuffled[position]].max())
    shuffled.insert(0, shuffled.pop(largest))
    smallest = min(range(len(shuffled)), key=lambda position: sizes[shuffled[position]].max())
    shuffled.insert(min(1, smallest), shuffled.pop(smallest))
    return shuffled


def train_cgcnn(run: Run, options: Namespace) -> dict:
    """Train on the training part with the mean absolute error (F26); early stopping on the validation part."""
    parameters, seed = run.preset.cgcnn, run.preset.seed
    dataset, folder = load_dataset(run), run.folder("train-cgcnn")
    graphs = _graphs(folder, dataset.crystals, parameters)
    targets = np.array([crystal.formation_energy_per_atom for crystal in dataset.crystals], dtype=np.float32)
    train, held, test = (dataset.indices(part) for part in ("train", "validation", "test"))
    keras.utils.set_random_seed(seed)
    model = build_cgcnn(parameters, element_features())
    set_target_scale(model, targets[train])
    sizes = np.array([graph.n_sites for graph in graphs])
    steps = len(sized_batches(train, sizes, parameters.batch_size, seed, 0))
    budget = Budget(parameters.epochs, steps, parameters.learning_rate, "constant", 0, parameters.patience)
    compile_model(model, budget, loss="mean_absolute_error")
    history = fit_epochs(
        model,
        budget,
        lambda epoch: GraphFeed(graphs, targets, sized_batches(train, sizes, parameters.batch_size, seed, epoch)),
        GraphFeed(graphs, targets, sized_batches(held, sizes, parameters.batch_size, seed, 0)),
        folder,
    )
    load_weights(model, folder / BEST)
    predicted = predict(model, [graphs[index] for index in test])
    errors = np.abs(predicted - targets[test])
    baseline = np.abs(targets[test] - targets[train].mean())
    return {
        "parameters": model.count_params(),
        "epochs": len(history),
        "train": len(train),
        "test": len(test),
        "test_mae": float(errors.mean()),
        "baseline_mae": float(baseline.mean()),
    }


def _graphs(folder, crystals: Sequence[Crystal], parameters: CGCNNParameters) -> list[Graph]:
    """Return the graphs of all crystals, building them once."""
    path = folder / GRAPHS
    if not path.exists():
        save_graphs(build_graphs(crystals, radius=parameters.radius, n_neighbours=parameters.neighbours), path)
    return load_graphs(path)


def predict(model: keras.Model, graphs: Sequence[Graph], batch_size: int = 256) -> np.ndarray:
    """Return the predicted property (n,) in its own unit; crystals of like size share a batch."""
    order = np.argsort([graph.n_sites for graph in graphs], kind="stable")
    predicted = np.empty(len(graphs), dtype=np.float32)
    for start in range(0, len(graphs), batch_size):
        chosen = order[start : start + batch_size]
        batch = pad_batch([graphs[index] for index in chosen])
        predicted[chosen] = keras.ops.convert_to_numpy(model(batch, training=False))[:, 0]
    return predicted


def trained_cgcnn(run: Run) -> keras.Model:
    """Return the formation-energy network of a run, with the weights of its best epoch."""
    model = build_cgcnn(run.preset.cgcnn, element_features())
    load_weights(model, run.folder("train-cgcnn") / BEST)
    return model
