"""Folders that Hugging Face's transformers write, of small models with random weights, and what
these models make of their inputs (transformers==5.24.0).

A case has the bytes of ``config.json`` and of ``model.safetensors`` in half precision, inputs, and
outputs in float64, of weights that half precision holds exactly.
"""

import logging
import math
import pathlib
import tempfile
from unittest import mock

import numpy as np

WIDTH, DEPTH, HEADS, HIDDEN, TOKENS, LENGTH = 8, 2, 2, 12, 13, 7


def _model(torch, rng, name, settings):
    """The model of a class, with weights of the order of one."""
    import transformers

    logging.getLogger("transformers").setLevel(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    kind = getattr(transformers, name)
    ends = {"bos_token_id": None, "eos_token_id": None}
    torch.manual_seed(0)
    model = kind(kind.config_class(**ends, **settings))
    for p in model.parameters():
        mean, deviation = (0, 1.5 / math.sqrt(WIDTH)) if p.ndim > 1 else (0.7, 0.3)
        values = mean + deviation * rng.normal(size=tuple(p.shape))
        p.data = torch.tensor(values.astype(np.float16)).double()
    return model.double().eval()


def _files(model):
    """The bytes of the files that transformers write."""
    with tempfile.TemporaryDirectory() as folder:
        model.half().save_pretrained(folder)
        read = lambda name: np.frombuffer((pathlib.Path(folder) / name).read_bytes(), np.uint8)
        return {"config": read("config.json"), "tensors": read("model.safetensors")}


def _case(name, inputs, output="logits", **settings):
    def case(torch, rng):
        exactly = mock.patch.multiple(torch, float32=torch.float64, float=torch.float64)
        with exactly, mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
            model = _model(torch, rng, name, settings)
            given = inputs(torch, rng)
            y = model(**given)[output].detach().numpy()
        return {**{f"x/{key}": value for key, value in given.items()}, "y": y, **_files(model)}

    return case


def _text(torch, rng):
    return {"input_ids": torch.tensor(rng.integers(1, TOKENS, (2, LENGTH)))}


SIZES = {
    "vocab_size": TOKENS,
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "intermediate_size": HIDDEN,
}
GPT2 = {
    "vocab_size": TOKENS,
    "n_positions": LENGTH,
    "n_embd": WIDTH,
    "n_layer": DEPTH,
    "n_head": HEADS,
}
GROUPED = SIZES | {"num_attention_heads": 4, "num_key_value_heads": 2}
CASES = {
    "gpt2": _case("GPT2LMHeadModel", _text, **GPT2),
    "gpt2 without a head": _case(
        "GPT2Model", _text, "last_hidden_state", n_inner=HIDDEN, activation_function="relu", **GPT2
    ),
    "llama": _case("LlamaForCausalLM", _text, **GROUPED, rms_norm_eps=1e-5),
    "llama, tied": _case(
        "LlamaForCausalLM",
        _text,
        **SIZES,
        head_dim=6,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 100.0},
    ),
}
