"""Weight files and checkpoints that are cut, changed, of other shapes or made to do harm."""

import zipfile

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import InputError
from repro.training.fit import BEST, STATE, Budget, compile_model, load_weights, restore, save
from tests.support.damage import damaged
from tests.support.inputs import inputs

BUDGET = Budget(epochs=4, steps=3, learning_rate=0.01, schedule="cosine", warmup_steps=2)
HISTORY = [{"loss": 1.0, "val_loss": 2.0, "seconds": 0.1}]
CURRENT = "epoch-0001.weights.h5"


def small_model() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    compile_model(model, BUDGET, loss="mse")
    return model


@pytest.fixture(scope="module")
def model():
    """One model for all inputs: only what it is given as weights changes."""
    return small_model()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A folder with a completed epoch, the bytes of its files, and the weights that they hold."""
    folder = tmp_path_factory.mktemp("training")
    trained = small_model()
    trained.set_weights([weight + 1 for weight in trained.get_weights()])
    save(trained, folder, HISTORY, is_best=True)
    return folder, {path.name: path.read_bytes() for path in folder.iterdir()}, trained.get_weights()


def same(first, second) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("name", [CURRENT, BEST])
@inputs()
@given(data=st.data())
def test_damaged_weights_of_a_training_are_named(model, checkpoint, name, data):
    """HDF5 has no checksums: a changed number would be loaded as a number, were it not for those of the state."""
    folder, whole, weights = checkpoint
    (folder / STATE).write_bytes(whole[STATE])
    (folder / name).write_bytes(data.draw(damaged(whole[name])))
    try:
        load_weights(model, folder / name)
    except InputError as error:
        assert name in str(error) and "cannot be loaded" in str(error)
    else:
        assert same(model.get_weights(), weights)
    (folder / name).write_bytes(whole[name])


@inputs()
@given(data=st.data())
def test_a_damaged_state_is_named_or_resumed_from_the_same_weights(model, checkpoint, data):
    folder, whole, weights = checkpoint
    (folder / STATE).write_bytes(data.draw(damaged(whole[STATE])))
    try:
        history = restore(model, folder)
    except InputError as error:
        assert str(folder) in str(error)
    else:
        assert history == HISTORY
        assert same(model.get_weights(), weights)
    (folder / STATE).write_bytes(whole[STATE])


@pytest.mark.parametrize(
    "old, new", [('"sha256"', '"other"'), ('"history": "', '"other": "'), ("2.0", "0"), ("2.0", "3.0")]
)
def test_a_state_without_its_checksums_or_of_another_history_is_refused(model, checkpoint, old, new):
    folder, whole, _ = checkpoint
    (folder / STATE).write_text(whole[STATE].decode().replace(old, new))
    with pytest.raises(InputError, match="state.json is damaged: remove .* to train again"):
        restore(model, folder)
    (folder / STATE).write_bytes(whole[STATE])


@st.composite
def other_arrays(draw, path) -> str:
    """Change the datasets of an HDF5 file: gone, of other shapes or kinds, groups, or links out of the file."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        weights = [name for name in names if not name.startswith("optimizer")]
        name = draw(st.sampled_from(weights))
        change = draw(st.sampled_from(["gone", "shape", "text", "object", "group", "link", "empty"]))
        shape = file[name].shape
        del file[name]
        if change == "shape":
            file[name] = np.zeros((*shape[:-1], shape[-1] + draw(st.integers(1, 5))))
        elif change == "text":
            file[name] = np.full(shape, b"text")
        elif change == "object":
            file.create_dataset(name, shape, dtype=h5py.string_dtype())
        elif change == "group":
            file.create_group(name)
        elif change == "link":
            file[name] = h5py.ExternalLink("/etc/passwd", "/")
        elif change == "empty":
            file[name] = h5py.Empty("f4")
    return change


@inputs()
@given(data=st.data())
def test_weights_of_other_shapes_and_kinds_are_refused(model, checkpoint, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("weights") / BEST
    path.write_bytes(checkpoint[1][BEST])
    data.draw(other_arrays(path))
    with pytest.raises(InputError, match=r"best\.weights\.h5 cannot be loaded"):
        load_weights(model, path)


def _saved_with_a_lambda(path, executed):
    """Write a whole Keras model with a lambda layer, as ``.keras`` and as HDF5; loading it would make a folder."""
    code = f"__import__('os').mkdir({str(executed)!r})"
    layers = [keras.layers.Input((2,)), keras.layers.Lambda(eval(f"lambda x: [x, {code}][0]", {}), output_shape=(2,))]
    keras.Sequential([*layers, keras.layers.Dense(4), keras.layers.Dense(1)]).save(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_saved_model_with_a_lambda_is_no_weight_file_and_is_not_executed(model, tmp_path, suffix):
    executed, whole = tmp_path / "executed", tmp_path / f"whole{suffix}"
    _saved_with_a_lambda(whole, executed)
    executed.rmdir() if executed.exists() else None  # its making called it
    whole.rename(tmp_path / BEST)
    with pytest.raises(InputError, match=r"best\.weights\.h5 cannot be loaded"):
        load_weights(model, tmp_path / BEST)
    assert not executed.exists()


def test_a_zip_archive_is_no_weight_file(model, tmp_path):
    with zipfile.ZipFile(tmp_path / BEST, "w") as archive:
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_weights(model, tmp_path / BEST)
