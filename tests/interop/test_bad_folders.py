"""Folders that cannot be loaded, and what is said of each."""

import json
import resource
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models

from jnn.errors import JnnError
from jnn.files import read_json
from jnn.interop import load, save
from jnn.interop.tensor_files import INDEX, SINGLE, write_tensors


@pytest.fixture
def folder(pretrained):
    return pretrained("gpt2")


def refused(folder, message):
    with pytest.raises(JnnError, match=message):
        load(folder)


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_tensors(folder, change):
    tensors = load_file(folder / SINGLE)
    change(tensors)
    save_file(tensors, folder / SINGLE)


def test_a_folder_without_config_or_weights(folder, tmp_path):
    refused(tmp_path / "nowhere", r"nowhere: got no such folder, .* hf download NAME")
    (folder / SINGLE).rename(folder / "model.safetensor")
    refused(folder, r"got no model.safetensors and no model.safetensors.index.json, expected")
    (folder / "config.json").unlink()
    refused(folder, r"got no config.json, expected a folder with config.json and safetensors")


def test_a_setting_that_the_architecture_does_not_have(folder):
    message = r"settings: got 'dropuot', expected some of .*Did you mean 'dropout'\?"
    with pytest.raises(JnnError, match=message):
        load(folder, settings={"dropuot": 0.1})


def test_pickled_weights_are_refused_with_a_way_to_convert_them(folder):
    (folder / SINGLE).rename(folder / "pytorch_model.bin")
    refused(folder, r"got pytorch_model.bin, .* may run any code .* safe_serialization=True")


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "mamba"}, r"got the family 'mamba', expected one of .*gpt2, .*llama"),
        ({"model_type": None}, r"got the family None"),
        ({"model_type": []}, r"got the family \[\]"),
        ({"architectures": ["GPT2ForTokenClassification"]}, r"expected one of GPT2LMHeadModel, "),
        ({"architectures": "GPT2Model"}, r"got architectures='GPT2Model'"),
        ({"activation_function": "quick_gelu"}, r"got activation_function='quick_gelu' in place"),
        ({"scale_attn_by_inverse_layer_idx": 1}, r"idx=1 in place of true or false"),
        ({"add_cross_attention": True}, r"attention=True, expected False, all that jnn has"),
        ({"n_embd": "8"}, r"got n_embd='8' in place of an integer"),
        ({"n_embd": True}, r"got n_embd=True in place of an integer"),
        ({"vocab_size": 10**30}, r"got vocab_size=10+ in place of a number from 0"),
        ({"n_head": 3}, r"got heads=3 for width=8, expected a divisor"),
        ({"n_layer": 10**9}, r"got 28 tensors, expected .* for 1000000000 numbers"),
        ({"n_layer": 1}, r"got the tensor transformer.h.1.attn.c_attn.bias, .* and 7 more, expec"),
        ({"n_layer": 3}, r"got no tensor transformer.h.2.ln_1.weight, .* and 7 more, expected all"),
        ({"n_positions": 9}, r"wpe.weight of shape \(7, 8\), expected \(9, 8\), as config.json"),
        ({"quantization_config": {"quant_method": "gptq"}}, r"quantized weights \(gptq\)"),
    ],
)
def test_a_config_that_does_not_fit(folder, changes, message):
    change_config(folder, **changes)
    refused(folder, message)


def test_values_that_no_config_has(pretrained):
    for name, changes, message in (
        ("mistral", {"sliding_window": 10**12}, r"got sliding_window=10+ in place of an integer"),
        ("gpt_neo", {"attention_layers": None, "attention_types": 3}, r"got no window to read \("),
        ("vit", {"image_size": 10**12}, r"got image_size=10+ in place of integers from 1 to"),
        ("vit", {"id2label": -1}, r"got id2label=-1 in place of a name for each"),
        ("llama", {"rope_parameters": [1]}, r"got rotary positions as \[1\]"),
        ("llama", {"rope_parameters": {"rope_type": "dynamic"}}, r"type 'dynamic' in place of"),
        (
            "llama",
            {"partial_rotary_factor": 0.5},
            r"factor=0.5 in place of 1, as in all of the fam",
        ),
        ("phi3", {"rope_parameters": {"rope_type": "longrope"}}, r"'longrope' without 'short"),
        ("llama 3", {"rope_parameters": {"rope_type": "llama3"}}, r"'llama3' without 'factor'"),
    ):
        folder = pretrained(name)
        change_config(folder, **changes)
        refused(folder, message)


def test_a_config_that_is_no_json(folder):
    (folder / "config.json").write_text("{'n_embd': 8}")
    refused(folder, r"config.json: got no JSON")


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("transformer.ln_f.bias"), r"got no tensor transformer.ln_f.bias, exp"),
        (
            lambda t: t.update({"lm_head.weight": t["transformer.wte.weight"] * 2}),
            r"got lm_head.weight that differs from transformer.wte.weight, expected the same",
        ),
        (
            lambda t: t.update({"transformer.more": np.zeros(3)}),
            r"got the tensor transformer.more, expected the 28 of the model",
        ),
        (
            lambda t: t.update({"transformer.wte.weight": t["transformer.wte.weight"].T.copy()}),
            r"wte.weight of shape \(8, 13\), expected \(13, 8\)",
        ),
        (
            lambda t: t.update({"transformer.ln_f.bias": t["transformer.ln_f.bias"].astype(int)}),
            r"ln_f.bias of dtype int64, expected floating-point numbers",
        ),
        (
            lambda t: t.update(
                {"transformer.h.1.ln_1.bias": t["transformer.h.1.ln_1.bias"].astype("float32")}
            ),
            r'h.1.ln_1.bias of dtype float32 and .*h.0.ln_1.bias of float16, .*dtype="float32"',
        ),
        (
            lambda t: t.update({"transformer.ln_f.bias": np.zeros(8, np.float64)}),
            r"ln_f.bias as float64 while JAX computes in float32 at most",
        ),
    ],
)
def test_tensors_that_do_not_fit(folder, change, message):
    change_tensors(folder, change)
    refused(folder, message)


def test_what_old_files_have_too_is_ignored_and_named(folder):
    mask = {"transformer.h.0.attn.bias": np.ones((1, 1, 7, 7), np.uint8)}
    change_tensors(folder, lambda t: t.update({"lm_head.weight": t["transformer.wte.weight"]}))
    change_tensors(folder, lambda t: t.update(mask))
    assert load(folder).ignored == {
        "lm_head.weight": "the same as transformer.wte.weight",
        "transformer.h.0.attn.bias": "the causal mask",
    }


def test_names_of_old_files(pretrained, tmp_path):
    def renamed(folder, names):
        tensors = load_file(folder / SINGLE)
        for new, old in names.items():
            tensors = {key.replace(new, old): tensor for key, tensor in tensors.items()}
        save_file(tensors, folder / SINGLE)
        return tensors

    gamma = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for name, names in (("gpt2", {"transformer.": ""}), ("bert, masked", gamma)):
        folder = pretrained(name)
        tensors = renamed(folder, names)
        tied = "wte.weight" if name == "gpt2" else "bert.embeddings.word_embeddings.weight"
        copy = "lm_head.weight" if name == "gpt2" else "cls.predictions.decoder.weight"
        save_file({**tensors, copy: tensors[tied]}, folder / SINGLE)
        loaded = load(folder)
        assert loaded.ignored == {copy: f"the same as {tied}"}
        save(tmp_path / f"{name} again", loaded)
        again = load_file(tmp_path / f"{name} again" / SINGLE)
        assert {key: a.tobytes() for key, a in again.items()} == {
            key: a.tobytes() for key, a in tensors.items()
        }


def tensor(*offsets, shape=(1,), dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"\x00" * 9,
        {"a": tensor(0, 4), "b": tensor(0, 4)},  # overlapping
        {"a": tensor(4, 8)},  # a hole
        {"a": tensor(0, 8, shape=(2,))},  # truncated
        {"a": tensor(0, 4, shape=(2,))},
        {"a": tensor(0, 4, shape=(2**62, 2**62))},
        {"a": tensor(0, 4, dtype="Q9")},
        {"a": tensor(0, -4)},
    ],
)
def test_damaged_files(folder, header):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    content = struct.pack("<Q", len(header)) + header + b"1234"
    (folder / SINGLE).write_bytes(content)
    refused(folder, r"model.safetensors: got a damaged file \(header: .*Fetch it again")


def test_a_truncated_file_and_one_of_a_huge_header(folder):
    content = (folder / SINGLE).read_bytes()
    for damaged in (content[:-1], content[:100], content[:4], struct.pack("<Q", 2**60) + b"{}"):
        (folder / SINGLE).write_bytes(damaged)
        refused(folder, r"model.safetensors: got a damaged file")


def test_a_dtype_that_jnn_does_not_have(folder):
    header = json.dumps({"a": tensor(0, 4, shape=(4,), dtype="F8_E4M3")}).encode()
    (folder / SINGLE).write_bytes(struct.pack("<Q", len(header)) + header + b"1234")
    refused(folder, r"got a of dtype F8_E4M3, expected one of F64, F32, F16, BF16")


def test_an_index_that_does_not_fit_its_files(folder, tmp_path):
    sharded = tmp_path / "sharded"
    save(sharded, load(folder), shard_bytes=1000)
    index = read_json(sharded / INDEX)
    name, file = next(iter(index["weight_map"].items()))

    def with_map(weight_map):
        (sharded / INDEX).write_text(json.dumps({"weight_map": weight_map}))

    with_map({**index["weight_map"], "more": file})
    refused(sharded, r"index.json: got more in the index alone")
    with_map({key: f for key, f in index["weight_map"].items() if key != name})
    refused(sharded, rf"index.json: got {name} in the files alone")
    with_map({**index["weight_map"], name: "../model.safetensors"})
    refused(sharded, r"got the file '../model.safetensors', expected names in its folder")
    with_map({name: 3})
    refused(sharded, r"got no weight_map of names of files")
    with_map(index["weight_map"])
    (sharded / file).unlink()
    refused(sharded, rf"got the file '{file}', which is not there, .*Fetch the missing ones")


def test_a_tokenizer_that_does_not_fit(folder):
    path = folder / "tokenizer.json"
    Tokenizer(models.WordLevel({"a": 0, "b": 13}, unk_token="a")).save(str(path))
    refused(folder, r"tokenizer.json: got 14 tokens, as 'b', expected at most 13, the vocabulary")
    path.write_text("{}")
    refused(folder, r"expected a tokenizer.json of Hugging Face's tokenizers")


def test_a_folder_with_a_model_is_not_overwritten(folder):
    with pytest.raises(JnnError, match=r"got a folder with a config.json, expected one without"):
        save(folder, load(folder))


@pytest.mark.parametrize("name", ["file", "file/model"])
def test_a_folder_that_cannot_be_created_is_refused(folder, tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(JnnError, match="expected a place to write to"):
        save(tmp_path / name, load(folder))


def test_a_disk_that_does_not_take_the_tensors_is_named_and_nothing_is_left(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(JnnError, match="got File too large, expected a place to write to"):
            write_tensors(tmp_path, [("kernel", np.ones(1000, np.float32))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
