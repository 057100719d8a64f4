"""Convolutional networks: the published numbers of parameters, LeNet-5 written with SciPy, and that
they learn.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate2d

import jnn
from jnn.architectures.cnn import CNNConfig, cnn, lenet5, small_vgg
from jnn.losses import cross_entropy
from tests.architectures import drawn, eight, loss_after_training, parameters

SAME = 1e-10  # float64: the same sums in another order
FLOAT32 = 1e-5  # 24 bits, and a mean of some dozen values
LEARNED = 0.01  # nats, of 1.4 at first


def test_lenet5_is_that_of_scipy(float64):
    image, model = np.random.default_rng(1).standard_normal((32, 32, 1)), cnn(lenet5())
    params, state = drawn(model, 32, 32, 1, dtype=jnp.float64)

    def convolve_and_pool(x, kernel, bias):
        maps = [
            sum(correlate2d(x[..., c], kernel[:, :, c, o], "valid") for c in range(x.shape[-1]))
            for o in range(kernel.shape[-1])
        ]
        h = np.tanh(np.stack(maps, axis=-1) + bias)
        return (h[::2, ::2] + h[1::2, ::2] + h[::2, 1::2] + h[1::2, 1::2]) / 4

    h, p = image, jax.tree.map(np.asarray, params)
    for stage in ("stage0", "stage1"):
        h = convolve_and_pool(h, **p[stage]["conv0"])
    h, head = h.ravel(), p["head"]
    for layer in (head["hidden0"]["dense"], head["hidden1"]["dense"]):
        h = np.tanh(h @ layer["kernel"] + layer["bias"])
    expected = h @ head["out"]["kernel"] + head["out"]["bias"]
    np.testing.assert_allclose(
        jax.jit(model.apply)(params, state, jnp.asarray(image))[0], expected, atol=SAME
    )


def test_lenet5_has_the_known_number_of_parameters():
    """Those of C1, C3, C5, F6 and the output, each with a bias, C3 seeing all channels."""
    assert parameters(cnn(lenet5()), 32, 32, 1) == 156 + 2_416 + 48_120 + 10_164 + 850 == 61_706


@pytest.mark.parametrize(("depth", "convolutions"), [(16, 14_714_688), (19, 20_024_384)])
def test_small_vgg_has_the_published_convolutions(depth, convolutions):
    """Their published number has biases, in the place of which normalization has a scale and a bias
    for each channel.
    """
    config = small_vgg(depth, outputs=10)
    channels = sum(n * c for n, c in zip(config.convolutions, config.channels, strict=True))
    assert parameters(cnn(config), 32, 32, 3) == convolutions + channels + 512 * 10 + 10


@pytest.mark.slow
def test_captured_values_read_well():
    model = cnn(
        CNNConfig(
            outputs=3,
            channels=(2, 4),
            convolutions=(1, 2),
            normalization="batch",
            hidden=(5,),
            dropout=0.5,
        )
    )
    params, state = drawn(model, 8, 8, 1)
    _, values = jnn.capture(model.apply)(params, state, jnp.ones((8, 8, 1)))
    names = [path.removesuffix("/output") for path in values]
    assert names[:4] == ["stage0/conv0", "stage0/norm0", "stage0/activation0", "stage0/pool"]
    assert names[-5:-1] == [
        "head/hidden0/activation",
        "head/hidden0/dropout",
        "head/hidden0",
        "head/out",
    ]
    assert values["stage1/conv1/output"].shape == (4, 4, 4)
    assert set(params) == {"stage0", "stage1", "head"}
    assert set(state) == {"stage0", "stage1"}


def test_with_global_pooling_an_image_may_be_larger():
    """Rows repeated, and windows of one row, leave the mean of each channel as it was."""
    model, image = (
        cnn(CNNConfig(outputs=3, channels=(4,), kernel_size=1, global_pooling=True, hidden=())),
        eight(8, 8, 1)[0],
    )
    params, state = drawn(model, 8, 8, 1)
    expected, _ = jax.jit(model.apply)(params, state, image)
    np.testing.assert_allclose(
        jax.jit(model.apply)(params, state, jnp.tile(image, (2, 3, 1)))[0], expected, atol=FLOAT32
    )


def test_dropout_without_hidden_layers_drops_features():
    model = cnn(CNNConfig(outputs=3, channels=(4,), hidden=(), dropout=0.9))
    params, state = drawn(model, 8, 8, 1)
    apply = functools.partial(jnn.capture(model.apply), key=jax.random.key(0), train=True)
    values = jax.device_get(jax.jit(apply)(params, state, eight(8, 8, 1))[1])
    kept = values["dropout/output"] != 0
    np.testing.assert_allclose(
        values["dropout/output"][kept], 10 * values["features/output"][kept], rtol=FLOAT32
    )
    assert 0 < kept.sum() < 0.5 * (values["features/output"] != 0).sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"normalization": "batch", "global_pooling": True, "hidden": ()},
        {"activation": "tanh", "pooling": "average", "padding": "VALID"},
    ],
)
def test_it_learns_eight_labels(settings):
    labels = jnp.arange(8) % 4
    model = cnn(
        CNNConfig(
            outputs=4, **{"channels": (8, 16), "convolutions": 1, "hidden": (16,), **settings}
        )
    )
    first, last = loss_after_training(
        model, eight(10, 10, 1), lambda y: cross_entropy(y, labels), 1e-2, enough=LEARNED
    )
    assert last < LEARNED < first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"outputs": 0}, r"CNNConfig: got outputs=0, expected an integer >= 1"),
        ({"channels": (8, 0)}, r"CNNConfig: got channels\[1\]=0, expected an integer >= 1"),
        ({"convolutions": 0}, r"CNNConfig: got convolutions=0, expected an integer >= 1"),
        (
            {"channels": (8, 16), "convolutions": (1, 2, 3)},
            (
                r"CNNConfig: got channels=\(8, 16\) and convolutions=\(1, 2, 3\), expected "
                r"as many of both. One number .* convolutions=2"
            ),
        ),
        ({"kernel_size": 0}, r"CNNConfig: got kernel_size=0, expected an integer >= 1"),
        ({"hidden": (-3,)}, r"CNNConfig: got hidden\[0\]=-3, expected an integer >= 1"),
        ({"dropout": 1.5}, r"CNNConfig: got dropout=1.5, expected a fraction in \[0, 1\)"),
        (
            {"padding": "same"},
            r"CNNConfig: got padding='same', expected one of SAME, VALID. Did you mean 'SAME'\?",
        ),
        ({"pooling": "mean"}, r"CNNConfig: got pooling='mean', expected one of max, average"),
        (
            {"normalization": "layer"},
            r"CNNConfig: got normalization='layer', expected one of none, batch",
        ),
        ({"activation": "rellu"}, r"activation: got 'rellu', .* Did you mean 'relu'\?"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(jnn.JnnError, match=message):
        cnn(CNNConfig(**{"outputs": 2, **settings}))


def test_bad_depth_of_vgg():
    with pytest.raises(jnn.JnnError, match=r"small_vgg: got depth=15, expected one of 11"):
        small_vgg(15, outputs=10)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (1, 28, 28),
            (
                r"conv: got x of shape \(1, 28, 28\), which has channels first, "
                r"expected \(..., height, width, channels\)"
            ),
        ),
        ((28, 28), r"conv: got x of shape \(28, 28\), expected at least 3 axes, .* x\[..., None\]"),
        (
            (3, 3, 1),
            (
                r"in stage1/pool: max_pool: got an input of size \(1, 1\) .* expected "
                r"an input no smaller than a window"
            ),
        ),
    ],
)
def test_bad_images(shape, message):
    with pytest.raises(jnn.JnnError, match=message):
        cnn(CNNConfig(outputs=2)).init(jax.random.key(0), jnp.ones(shape))


def test_integer_images():
    with pytest.raises(
        jnn.JnnError,
        match=(
            r"conv: got x of dtype uint8, expected floating-point numbers. "
            r"Convert first: .*/ 255"
        ),
    ):
        cnn(CNNConfig(outputs=2)).init(jax.random.key(0), jnp.ones((28, 28, 1), jnp.uint8))
