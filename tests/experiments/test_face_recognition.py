"""face_recognition: disjoint people, the validation metric, and the mean over members."""

from functools import partial

import jax
import numpy as np
import pytest
import sklearn.metrics
from scipy.spatial.distance import pdist

from experiments import face_recognition as experiment
from jnn.errors import JnnError
from jnn.loaded import Loaded
from jnn.train import seed_key, start

SINGLE = 1e-5  # float32: a cosine of a few dozen numbers


@pytest.fixture(scope="module")
def begun():
    """The settings of a small run, its data and task, and the train state before the first step."""
    config = experiment.Config(smoke=True, validation=True)
    splits = experiment.load_data(config)
    task = experiment.task(config, splits)
    return config, splits, task, start(task, config, seed_key(0))[0]


@pytest.fixture(scope="module")
def embedded(begun):
    """The embeddings of the test part."""
    config, splits, _, train_state = begun
    embed = jax.jit(partial(experiment.embed, config))
    return embed(train_state.params, train_state.state, {"image": splits.test["image"]})


@pytest.mark.parametrize("validation", [False, True])
@pytest.mark.parametrize("people", experiment.TEST)
def test_everyone_is_in_one_part_with_all_photographs(people, validation):
    config = experiment.Config(smoke=True, people=people, validation=validation)
    parts = [part["person"] for part in experiment.load_data(config)[:3]]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(40).repeat(10))
    assert sum(len(set(part)) for part in parts) == 40
    tested = 10 if people == "last10" else 8
    assert [len(set(part)) for part in parts[1:]] == [5 * validation, tested]


def test_the_folds_hold_everyone_out_once():
    folds = [people for name, people in experiment.TEST.items() if name != "last10"]
    assert sorted(k for people in folds for k in people) == list(range(40))


def test_cosines_of_embeddings_are_the_mean_of_the_members(begun, embedded):
    config, z = begun[0], embedded
    members = np.moveaxis(np.reshape(z, (len(z), config.members, config.features)), 1, 0)
    expected = np.mean([1 - pdist(member, "cosine") for member in members], axis=0)
    np.testing.assert_allclose(1 - pdist(z, "cosine"), expected, atol=SINGLE)


def test_a_run_embeds_the_bytes_of_photographs(begun, embedded):
    """What `jnn.load` predicts, by what is saved with a run, is what the run itself tests."""
    config, splits, task, train_state = begun
    kept = train_state.params, train_state.state
    predictor = experiment.predictor(config, task.preparation)
    loaded = Loaded(predictor, *kept, config, task.preparation.example, task.preparation)
    np.testing.assert_allclose(loaded.predict(splits.test["image"]), embedded, atol=SINGLE)
    shapes = jax.eval_shape(predictor.init, jax.random.key(0), loaded.example)
    same = jax.tree.map(lambda a, b: a.shape == b.shape, shapes, kept)
    assert all(jax.tree.leaves(same))
    with pytest.raises(JnnError, match=r"shape \(2, 64, 64, 1\), expected pictures"):
        loaded.predict(np.zeros((2, 64, 64, 1), np.uint8))
    turned = np.zeros((2, 92, 112, 1), np.float32)  # as many numbers, in another order
    with pytest.raises(
        JnnError, match=r"\(2, 92, 112, 1\), expected photographs \(\.\.\., 112, 92"
    ):
        predictor.apply(*kept, turned)


def test_an_image_and_its_mirror_image_have_one_embedding(begun):
    config, splits, _, train_state = begun
    few = {"image": splits.test["image"][:4]}
    mirrored = {"image": few["image"][:, :, ::-1]}
    embed = jax.jit(partial(experiment.embed, config, train_state.params, train_state.state))
    np.testing.assert_allclose(embed(mirrored), embed(few), atol=SINGLE)


def test_the_validation_metric_is_scikit_learns_auc(begun):
    config, splits, task, train_state = begun
    auc = task.validate(train_state.params, train_state.state)["validation/auc"]
    embed = jax.jit(partial(experiment.embed, config))
    z = embed(train_state.params, train_state.state, {"image": splits.validation["image"]})
    person = splits.validation["person"]
    same = (person[:, None] == person[None])[np.triu_indices(len(person), 1)]
    expected = sklearn.metrics.roc_auc_score(same, 1 - pdist(z, "cosine"))
    np.testing.assert_allclose(auc, expected, atol=1e-3)  # float32 makes a few ties


@pytest.mark.parametrize(
    ("settings", "message"), [({"members": 0}, "members=0"), ({"hidden": -1}, "hidden=-1")]
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(JnnError, match=f"config: got {message}"):
        experiment.Config(**settings)
