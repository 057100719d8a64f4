"""A model as ONNX: JAX's own convolutions compute what those of jnn do, and ONNX Runtime too."""

import importlib.util
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import jnn
from jnn.errors import JnnError, MissingExtraError
from jnn.export import program_of
from jnn.export.onnx import with_lax_convolutions, write_onnx
from jnn.train import Preparation
from tests.trained import loaded, loaded_of, shaped

SAME = 1e-5  # float32, whose sums are taken in another order
IMAGE = np.random.default_rng(0).standard_normal((2, 6, 5, 4)).astype(np.float32)
MODELS = {
    "strides and groups": jnn.conv(6, (3, 3), strides=2, groups=2),
    "members": jnn.ensemble(jnn.chain(jnn.conv(3, (3, 3), dilation=2), jax.nn.gelu), 2),
    "transposed": jnn.conv_transpose(3, (2, 2), strides=2),
    "pooled": jnn.max_pool((3, 2), padding="SAME"),
}
OTHERS = {
    "convolutions": (jnn.chain(MODELS["members"], jnn.dense(2)), shaped(6, 5, 4)),
    "pools": (
        jnn.chain(jnn.conv(3, (3, 3)), MODELS["pooled"], jnn.max_pool((2, 2))),
        shaped(6, 6, 1),
    ),
    "lstm": (jnn.chain(jnn.lstm(3), jnn.last_element()), shaped(7, 2)),
}


@pytest.mark.parametrize("name", MODELS)
def test_convolutions_of_jax_compute_the_same(name):
    model = MODELS[name]
    params, state = jax.jit(model.init)(jax.random.key(0), IMAGE)
    f = lambda x: model.apply(params, state, x)[0]
    g = with_lax_convolutions(f, IMAGE)
    traced = jax.make_jaxpr(g)(IMAGE)
    assert not [e for e in traced.eqns if e.primitive.name in ("convolution", "pad")]
    found = jax.jit(g)(IMAGE)
    np.testing.assert_allclose(found, jax.jit(f)(IMAGE), atol=SAME)


def test_a_missing_operation_is_named_and_a_missing_package_too(monkeypatch, tmp_path):
    def to_onnx(*args, **settings):
        raise NotImplementedError("[converter] No plugins registered for primitive 'erf_inv'")

    for name, module in {"jax2onnx": {"to_onnx": to_onnx}, "onnxruntime": {}}.items():
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**module))
    program = program_of(loaded("rows"))
    with pytest.raises(JnnError, match=r"got the operation erf_inv, expected those that jax2onnx"):
        write_onnx(tmp_path, program)
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(MissingExtraError, match=r'pip install -e "\.\[onnx\]"'):
        write_onnx(tmp_path, program)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax2onnx") is None, reason="needs jax2onnx")
@pytest.mark.parametrize("name", ["rows", "pictures", "texts", "committee", *OTHERS])
def test_onnx_runtime_computes_the_same(tmp_path, name):
    import onnxruntime

    if name in OTHERS:
        model, example = OTHERS[name]
        model = loaded_of(model, Preparation(example))._replace(preparation=None)
    else:
        model = loaded(name)
    program = program_of(model)
    assert "any size" in write_onnx(tmp_path, program)["model.onnx"]
    inputs = program.samples(5)
    found = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, inputs)
    for a, b in zip(found, program.expected(inputs).values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
