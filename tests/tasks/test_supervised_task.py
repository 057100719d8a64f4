"""The task of predicting one array from another."""

import jax
import numpy as np
import pytest

import jnn
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.data.splits import from_arrays
from jnn.errors import JnnError
from jnn.losses import binary_cross_entropy, squared_error
from jnn.metrics import root_mean_squared_error
from jnn.tasks import supervised
from jnn.train import TrainingConfig, seed_key, train
from tests.compiled import apply

SINGLE = 1e-6  # float32: a mean of two logarithms
IMAGES = np.random.default_rng(0).standard_normal((40, 8, 8, 3)).astype(np.float32)
SPLITS = from_arrays({"features": IMAGES, "label": np.arange(40) % 2})


def test_images_into_a_network_of_vectors_are_told_from_vectors():
    with pytest.raises(JnnError, match=r"got predictions \(8, 8, 2\) of an example.*input_rank=3"):
        supervised(mlp(MLPConfig(outputs=2)), SPLITS)
    assert (
        supervised(mlp(MLPConfig(outputs=2, input_rank=3)), SPLITS, batch_size=8).best
        == "validation/loss"
    )


def test_a_label_for_each_element_is_predicted_at_each():
    labels = np.zeros((40, 8), np.int32)
    splits = from_arrays({"features": IMAGES[:, :, 0], "label": labels})
    assert supervised(jnn.chain(jnn.gru(4), jnn.dense(2)), splits, batch_size=8).lowest


def test_tables_and_numbers_are_scaled_and_errors_have_the_unit_of_the_target():
    rng = np.random.default_rng(0)
    x = rng.normal(50, 9, (80, 2)).astype(np.float32)
    splits = from_arrays({"features": x, "target": (1000 + 30 * x[:, 0]).astype(np.float32)})
    model = jnn.chain(jnn.dense(1), lambda y: y[..., 0])
    options = {"target": "target", "loss": squared_error, "standardize": True, "batch_size": 8}
    task = supervised(model, splits, measures={"rmse": root_mean_squared_error()}, **options)
    params, state = jax.jit(model.init)(jax.random.key(0), task.feed.data["features"][0])
    encoded, _ = task.preparation.encode(splits.test["features"])
    y = task.preparation.decode(apply(model, params, state, encoded)[0])
    truth, scores = splits.test["target"], task.test(params, state)
    np.testing.assert_allclose(scores["test/rmse"], np.sqrt(np.mean((y - truth) ** 2)), rtol=1e-5)
    expected = np.mean(((y - truth) / splits.train["target"].std()) ** 2)
    np.testing.assert_allclose(scores["test/loss"], expected, rtol=1e-4)


def test_pictures_of_bytes_are_fractions_and_classes_have_names():
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 1), np.uint8)
    splits = from_arrays({"features": images, "label": np.arange(40) % 2}, classes=("even", "odd"))
    model = jnn.chain(jnn.flatten(3), jnn.dense(2))
    task = supervised(model, splits, batch_size=8)
    params, state = jax.jit(model.init)(jax.random.key(0), task.example)
    x = images[:3].astype(np.float32) / 255
    logits, _ = apply(model, params, state, x)
    encoded, _ = task.preparation.encode(images[:3])
    np.testing.assert_allclose(encoded, x, rtol=1e-6)
    answer = task.preparation.decode(apply(model, params, state, encoded)[0])
    assert answer.label.tolist() == [("even", "odd")[row.argmax()] for row in np.asarray(logits)]
    assert task.feed.data["features"].dtype == np.uint8


def squared_of_counts(y, counts):
    return (y[..., 0] - counts) ** 2


def test_integers_that_are_no_classes_get_no_names():
    splits = from_arrays({"features": IMAGES[:, 0, 0], "label": np.arange(40) % 5})
    of_counts = supervised(jnn.dense(1), splits, batch_size=8, loss=squared_of_counts)
    assert of_counts.preparation.classes == ()
    assert supervised(jnn.dense(5), splits, batch_size=8).preparation.classes == tuple("01234")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full(40, 3), "got one class, 3, in 'label', expected two classes or more"),
        (np.arange(40) % 3 + 1, "got classes from 1 to 3 in 'label'.*number_classes"),
        (np.arange(40) % 3 - 1, r"'label' of train: got label -1 in row \d+, .*\[0, 5\)"),
        (np.arange(40) % 9, r"'label' of train: got label [5678] in row \d+, .*\[0, 5\)"),
    ],
)
def test_classes_that_cannot_be_told_apart_or_begin_at_one_are_refused(labels, message):
    splits = from_arrays({"features": np.ones((40, 2), np.float32), "label": labels})
    with pytest.raises(JnnError, match=message):
        supervised(jnn.dense(5), splits, batch_size=4)


def test_names_of_no_array_are_refused():
    splits = from_arrays({"features": np.ones((40, 2), np.float32), "price": np.arange(40) / 7})
    with pytest.raises(JnnError, match="got target='label', expected one of 'features', 'price'"):
        supervised(jnn.dense(1), splits)


def test_what_is_no_task_no_config_and_no_splits_is_refused():
    arrays = {"features": np.ones((40, 2), np.float32), "label": np.arange(40) % 2}
    with pytest.raises(JnnError, match="supervised: got splits of type dict, expected a Splits, s"):
        supervised(jnn.dense(2), arrays)
    task = supervised(jnn.dense(2), from_arrays(arrays), batch_size=4)
    config = TrainingConfig(epochs=1)
    with pytest.raises(JnnError, match="train: got task of type Model, expected a Task, such as s"):
        train(jnn.dense(2), config, seed_key(0))
    with pytest.raises(JnnError, match="train: got config of type dict, expected a TrainingConfig"):
        train(task, {"epochs": 1}, seed_key(0))
    with pytest.raises(JnnError, match="train: got run of type str, expected a Run, such as"):
        train(task, config, seed_key(0), "runs/a")
    for wrong, message in {
        "feed": r"got feed of type int, expected a Feed",
        "test": r"got test=1, expected a function \(params, state\) -> metrics",
        "baselines": r"got baselines=1, expected a function \(\) -> scores by name",
        "sections": r"got sections=1, expected a function \(fitted\) -> sections",
    }.items():
        with pytest.raises(JnnError, match=f"Task: {message}"):
            train(task._replace(**{wrong: 1}), config, seed_key(0))
    with pytest.raises(
        JnnError, match=r"Task: got validate\(params\), expected a function \(params"
    ):
        train(task._replace(validate=lambda params: {}), config, seed_key(0))


def test_numbers_are_no_classes():
    splits = from_arrays({"features": np.ones((50, 2)), "price": np.linspace(1.0, 9.0, 50)})
    with pytest.raises(JnnError, match=r"got floats in 'price' for cross_entropy.*squared_error"):
        supervised(jnn.dense(1), splits, target="price")


def test_of_pictures_the_target_alone_is_scaled():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 4, 4, 1)).astype(np.uint8)
    arrays = {"features": image, "target": 1000 + 50 * rng.standard_normal(60).astype(np.float32)}
    options = {"target": "target", "loss": squared_error, "standardize": True, "batch_size": 8}
    model = jnn.chain(jnn.flatten(3), jnn.dense(1), lambda y: y[..., 0])
    task = supervised(model, from_arrays(arrays), **options)
    assert task.preparation.scaling is None
    np.testing.assert_allclose(task.preparation.target.mean, 1000, atol=50)
    answer = task.preparation.decode(np.zeros(2))
    np.testing.assert_allclose(answer, task.preparation.target.mean)


def test_a_loss_that_is_one_number_of_a_batch_is_refused():
    x = np.ones((20, 3), np.float32)
    splits = from_arrays({"features": x, "target": x})
    loss = lambda y, t: jax.numpy.mean((y - t) ** 2)
    task = supervised(jnn.dense(3), splits, target="target", loss=loss, batch_size=8)
    message = r"supervised: got a loss of shape \(\) for a batch of 8, expected a loss of each exam"
    with pytest.raises(JnnError, match=message):
        train(task, TrainingConfig(epochs=1), seed_key(0), quiet=True)


@pytest.mark.parametrize("shape", [(40, 2), (40, 5, 2)])
def test_names_of_columns_are_kept_of_tables_and_windows(shape):
    x, label = np.random.default_rng(0).normal(size=shape), np.arange(40) % 2
    arrays = {"features": np.float32(x), "label": label}
    model = jnn.dense(2) if len(shape) == 2 else jnn.chain(jnn.last_element(), jnn.dense(2))
    task = supervised(model, from_arrays(arrays, columns=("width", "depth")), batch_size=4)
    assert task.preparation.columns == ("width", "depth")
    with pytest.raises(JnnError, match="got names of 3 columns, expected 2, as the inputs have"):
        supervised(model, from_arrays(arrays, columns=("width", "depth", "height")))


def test_windows_are_no_table_to_standardize():
    splits = from_arrays({"features": np.ones((40, 5, 3)), "label": np.arange(40) % 2})
    message = (
        r"standardize=True and 'features' of shape \(\d+, 5, 3\), expected a table \(N, D\). Sc"
    )
    with pytest.raises(JnnError, match=message):
        supervised(jnn.dense(2), splits, standardize=True)


def test_a_loss_and_an_augmentation_that_cannot_be_called_are_refused():
    with pytest.raises(JnnError, match=r"got loss='mse', expected a function \(outputs, targets\)"):
        supervised(jnn.dense(2), None, loss="mse")
    with pytest.raises(JnnError, match=r"got augment\(x\), expected a function \(key, x\) -> x"):
        supervised(jnn.dense(2), None, augment=lambda x: x)
    with pytest.raises(JnnError, match="got measures of type list, expected a Mapping, such as"):
        supervised(jnn.dense(2), None, measures=["accuracy"])


@pytest.mark.parametrize("dtype", [bool, np.int32])
def test_labels_of_yes_and_no_are_not_standardized(dtype):
    rng = np.random.default_rng(0)
    x, is_positive = rng.normal(3, 2, (40, 2)), rng.uniform(size=40) < 0.3
    splits = from_arrays({"features": x, "label": is_positive.astype(dtype)})
    loss = lambda y, t: binary_cross_entropy(y[..., 0], t)
    task = supervised(jnn.dense(1), splits, loss=loss, standardize=True, batch_size=8, measures={})
    assert task.preparation.target is None
    params = {"kernel": np.zeros((2, 1), np.float32), "bias": np.ones(1, np.float32)}
    share = splits.test["label"].mean()
    expected = share * np.log1p(np.exp(-1)) + (1 - share) * np.log1p(np.exp(1))
    assert float(task.test(params, {})["test/loss"]) == pytest.approx(expected, rel=SINGLE)
