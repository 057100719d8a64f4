"""Models of Hugging Face's transformers: the same outputs, and the same bytes when written back."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models

from jnn.errors import JnnError
from jnn.files import read_json
from jnn.interop import load, save
from jnn.interop.families import FAMILIES
from jnn.interop.maps import read, write
from jnn.interop.operations import SAME, TRANSPOSED
from jnn.interop.settings import read_settings, write_settings
from jnn.interop.tensor_files import TensorFolder
from jnn.sharding import make_mesh
from tests.interop.conftest import written
from tests.references import from_table
from tests.references.cases_interop import CASES

CLOSE = 1e-8  # float64: the same sums in another order


def inputs(case):
    """x and the mask, as jnn's model takes them."""
    given = {key.removeprefix("x/"): value for key, value in case.items() if key.startswith("x/")}
    if "pixel_values" in given:
        return jnp.moveaxis(jnp.asarray(given["pixel_values"]), -3, -1), None
    tokens = jnp.asarray(given["input_ids"])
    mask = jnp.asarray(given["attention_mask"] == 1) if "attention_mask" in given else None
    if "decoder_input_ids" in given:
        target = jnp.asarray(given["decoder_input_ids"])
        return {"tokens": target, "source": tokens, "source_mask": mask}, None
    if "token_type_ids" in given:
        return {"tokens": tokens, "segments": jnp.asarray(given["token_type_ids"])}, mask
    return tokens, mask


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_transformers_and_so_is_what_is_saved(
    name, reference, tmp_path, float64
):
    case = reference("interop", name)
    folder, again = written(tmp_path / "given", case), tmp_path / "again"
    loaded = load(folder)
    model, params, state, _ = loaded
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype("float16")}

    wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), params)
    x, mask = inputs(case)
    y = jax.jit(model.apply)(wide, state, x, mask=mask)[0]
    assert y.dtype == jnp.float64
    y, expected = np.asarray(y), case["y"]
    if mask is not None and y.ndim == 3:  # what is made of padding is not compared
        y, expected = y[mask], expected[mask]
    np.testing.assert_allclose(y, expected, rtol=0, atol=CLOSE * np.abs(expected).max())

    save(again, loaded)
    before, after = (load_file(f / "model.safetensors") for f in (folder, again))
    assert before.keys() == after.keys() | loaded.ignored.keys()
    for key, tensor in after.items():
        assert (tensor.dtype, tensor.shape) == (before[key].dtype, before[key].shape)
        assert tensor.tobytes() == before[key].tobytes(), key
    assert read_json(folder / "config.json") == read_json(again / "config.json")


@pytest.mark.parametrize("name", CASES)
def test_settings_are_written_as_they_are_read(name):
    config = json.loads(from_table("interop", name)["config"].tobytes())
    family = FAMILIES[config["model_type"]]
    values = read_settings(family.settings, family.fixed, config, "test")
    entries = write_settings(family.settings, values)
    assert read_settings(family.settings, family.fixed, {**config, **entries}, "test") == values


def test_what_a_config_of_gemma_calls_gelu_is_the_approximation():
    read = next(s for s in FAMILIES["gemma"].settings if s.name == "activation").read
    old = {"hidden_act": "gelu", "hidden_activation": "gelu_pytorch_tanh"}
    for config in ({}, {"hidden_act": "gelu"}, old):
        assert read(config) == "gelu_tanh"
    assert read({"hidden_act": "silu"}) == "silu"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_another_operation_in_a_row_is_another_model(name, pretrained, float64):
    """Of square kernels, which shapes do not tell from their transposes."""
    folder = pretrained(name)
    loaded, tensors = load(folder, dtype="float64"), TensorFolder(folder)
    rows = FAMILIES[loaded.family].rows(loaded.settings)
    swapped = {SAME: TRANSPOSED, TRANSPOSED: SAME}
    square = [
        row
        for row in rows
        if row.operation in swapped and loaded_leaf(loaded, row).shape[-2:] == (8, 8)
    ]
    assert square
    tokens = jnp.arange(7)
    y = loaded.model.apply(loaded.params, {}, tokens)[0]
    for row in square:
        others = [r._replace(operation=swapped[r.operation]) if r == row else r for r in rows]
        params, _ = read(others, tensors, loaded.params, caller="test", dtype="float64")
        assert not np.allclose(loaded.model.apply(params, {}, tokens)[0], y)


def loaded_leaf(loaded, row):
    leaf = loaded.params
    for name in row.paths[0].split("/"):
        leaf = leaf[name]
    return leaf


def test_trained_params_are_saved_by_the_same_map(pretrained, tmp_path):
    loaded = load(pretrained("gpt2"), dtype="float32")
    trained = dataclasses.replace(loaded, params=jax.tree.map(lambda a: a * 2, loaded.params))
    save(tmp_path / "trained", trained, shard_bytes=500)
    assert len(list((tmp_path / "trained").glob("*.safetensors"))) > 1
    again = load(tmp_path / "trained")
    assert again.config["dtype"] == "float32"
    jax.tree.map(np.testing.assert_array_equal, again.params, trained.params)


def test_bfloat16_stays_bit_by_bit_and_leaves_go_to_their_devices(pretrained, tmp_path):
    loaded = load(pretrained("llama"))
    half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), loaded.params)
    save(tmp_path / "half", dataclasses.replace(loaded, params=half))
    again = load(tmp_path / "half", mesh=make_mesh("fsdp=2,tensor=2"))
    assert again.config["dtype"] == "bfloat16"
    for leaf, before in zip(*map(jax.tree.leaves, (again.params, half)), strict=True):
        assert leaf.dtype == jnp.bfloat16
        np.testing.assert_array_equal(*(np.asarray(a).view(np.uint16) for a in (leaf, before)))
    kernel = again.params["blocks"]["attention"]["query"]["kernel"]
    assert tuple(kernel.sharding.spec) == (None, "fsdp", "tensor")
    assert kernel.addressable_shards[0].data.shape == (2, 4, 4)


def test_a_map_writes_what_it_reads(pretrained):
    loaded, tensors = load(pretrained("llama")), TensorFolder(pretrained("llama"))
    rows = FAMILIES["llama"].rows(loaded.settings)
    assert {key for key, _ in write(rows, loaded.params)} == set(tensors.shapes())


def test_the_tokenizer_comes_along(pretrained, tmp_path):
    folder = pretrained("llama")
    words = {word: i for i, word in enumerate(["<s>", "</s>", "a", "b"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="a"))
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(names))
    loaded = load(folder)
    save(tmp_path / "again", loaded)
    for each in (loaded, load(tmp_path / "again")):
        assert each.tokenizer.encode("b").tolist() == [3]
        assert each.tokenizer.end == 1


def test_a_map_has_one_row_for_each_leaf(pretrained):
    loaded, tensors = load(pretrained("gpt2")), TensorFolder(pretrained("gpt2"))
    rows = FAMILIES["gpt2"].rows(loaded.settings)
    for wrong in (rows[1:], (*rows, rows[0])):
        with pytest.raises(JnnError, match=r"test: got no single row for embedding/embedding, exp"):
            read(wrong, tensors, loaded.params, caller="test")
