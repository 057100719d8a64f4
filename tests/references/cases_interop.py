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


def _model(torch, rng, name, settings, untied):
    """The model of a class, with weights of the order of one."""
    import transformers

    logging.getLogger("transformers").setLevel(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    kind = getattr(transformers, name)
    ends = {"bos_token_id": None, "eos_token_id": None}
    torch.manual_seed(0)
    model = kind(kind.config_class(**ends, **settings))
    if untied:
        model.lm_head.weight = torch.nn.Parameter(torch.zeros_like(model.lm_head.weight))
    for p in filter(lambda p: p.requires_grad, model.parameters()):
        mean, deviation = (0, 1.5 / math.sqrt(WIDTH)) if p.ndim > 1 else (0.7, 0.3)
        values = mean + deviation * rng.normal(size=tuple(p.shape))
        p.data = torch.tensor(values.astype(np.float16)).double()
    for name, buffer in model.named_buffers():
        if name == "final_logits_bias":
            values = rng.normal(size=tuple(buffer.shape)).astype(np.float16)
            buffer.data = torch.tensor(values).double()
        if name.endswith(("running_mean", "running_var")):
            values = np.abs(rng.normal(size=tuple(buffer.shape))) + 0.5
            buffer.data = torch.tensor(values.astype(np.float16)).double()
    model.config._experts_implementation = "eager"  # the fast one has no float64
    return model.double().eval()


def _files(model):
    """The bytes of the files that transformers write."""
    with tempfile.TemporaryDirectory() as folder:
        model.half().save_pretrained(folder)
        read = lambda name: np.frombuffer((pathlib.Path(folder) / name).read_bytes(), np.uint8)
        return {"config": read("config.json"), "tensors": read("model.safetensors")}


def case_of(name, inputs, output="logits", untied=False, **settings):
    """The case of a class of transformers."""

    def case(torch, rng):
        exactly = mock.patch.multiple(
            torch, float32=torch.float64, float=torch.float64, FloatTensor=torch.DoubleTensor
        )
        with exactly, mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
            model = _model(torch, rng, name, settings, untied)
            given = inputs(torch, rng)
            y = model(**given)[output].detach().numpy()
        return {**{f"x/{key}": value for key, value in given.items()}, "y": y, **_files(model)}

    return case


def _text(torch, rng):
    return {"input_ids": torch.tensor(rng.integers(1, TOKENS, (2, LENGTH)))}


def _padded(torch, rng):
    real = (torch.arange(LENGTH)[None] < torch.tensor([LENGTH, 4])[:, None]).long()
    # with the padding that RoBERTa takes positions from
    return {"input_ids": torch.where(real == 1, _text(torch, rng)["input_ids"] % 11 + 2, 1)} | {
        "attention_mask": real
    }


def _segments(torch, rng):
    return _padded(torch, rng) | {"token_type_ids": torch.tensor(rng.integers(0, 2, (2, LENGTH)))}


def _images(torch, rng):
    return {"pixel_values": torch.tensor(rng.normal(size=(2, 3, 8, 12)))}


def _pairs(torch, rng):
    return _padded(torch, rng) | {"decoder_input_ids": _text(torch, rng)["input_ids"][:, :5]}


HIDDEN_STATE = "last_hidden_state"
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
PARTIAL = {
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10_000.0,
        "partial_rotary_factor": 0.5,
    }
}
OPT = {
    "vocab_size": TOKENS,
    "hidden_size": WIDTH,
    "ffn_dim": HIDDEN,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "max_position_embeddings": LENGTH,
    "word_embed_proj_dim": WIDTH,
}
ENCODER = SIZES | {"max_position_embeddings": LENGTH}
DISTILBERT = {
    "vocab_size": TOKENS,
    "dim": WIDTH,
    "n_layers": DEPTH,
    "n_heads": HEADS,
    "hidden_dim": HIDDEN,
    "max_position_embeddings": LENGTH,
}
VISION = {key: value for key, value in SIZES.items() if key != "vocab_size"} | {
    "image_size": (8, 12),
    "patch_size": 4,
    "num_labels": 3,
}
T5 = {
    "vocab_size": TOKENS,
    "d_model": WIDTH,
    "d_kv": 3,
    "d_ff": HIDDEN,
    "num_layers": DEPTH,
    "num_heads": HEADS,
}
BART = {
    "vocab_size": TOKENS,
    "d_model": WIDTH,
    "max_position_embeddings": LENGTH,
    "pad_token_id": 1,
} | {
    f"{stack}_{name}": value
    for stack in ("encoder", "decoder")
    for name, value in (("layers", DEPTH), ("attention_heads", HEADS), ("ffn_dim", HIDDEN))
}
CASES = {
    "gpt2": case_of("GPT2LMHeadModel", _text, **GPT2),
    "gpt2 without a head": case_of(
        "GPT2Model", _text, HIDDEN_STATE, n_inner=HIDDEN, activation_function="relu", **GPT2
    ),
    "gpt2, untied": case_of("GPT2LMHeadModel", _text, **GPT2, tie_word_embeddings=False),
    "gpt2, scaled by depth": case_of(
        "GPT2LMHeadModel",
        _text,
        **GPT2,
        scale_attn_weights=False,
        scale_attn_by_inverse_layer_idx=True,
        reorder_and_upcast_attn=True,
    ),
    "llama": case_of("LlamaForCausalLM", _text, **GROUPED, rms_norm_eps=1e-5),
    "llama, tied": case_of(
        "LlamaForCausalLM",
        _text,
        **SIZES,
        head_dim=6,
        tie_word_embeddings=True,
        attention_bias=True,
        rope_parameters={"rope_type": "linear", "rope_theta": 100.0, "factor": 3.0},
    ),
    "llama 3": case_of(
        "LlamaForCausalLM",
        _text,
        **{**GROUPED, "hidden_size": 32},
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 100.0,
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    ),
    "llama, yarn": case_of(
        "LlamaForCausalLM",
        _text,
        **SIZES,
        head_dim=12,
        max_position_embeddings=64,
        rope_parameters={
            "rope_type": "yarn",
            "rope_theta": 100.0,
            "factor": 4.0,
            "beta_fast": 6.0,
            "original_max_position_embeddings": 64,
        },
    ),
    "qwen3, yarn": case_of(
        "Qwen3ForCausalLM",
        _text,
        **GROUPED,
        head_dim=8,
        rope_parameters={
            "rope_type": "yarn",
            "rope_theta": 50.0,
            "factor": 2.0,
            "beta_fast": 9.0,
            "beta_slow": 2.0,
            "mscale": 0.7,
            "mscale_all_dim": 1.3,
            "truncate": False,
            "original_max_position_embeddings": 64,
        },
    ),
    "mistral": case_of("MistralForCausalLM", _text, **GROUPED, sliding_window=3),
    "mixtral": case_of("MixtralForCausalLM", _text, **GROUPED, num_local_experts=3),
    "qwen2": case_of("Qwen2ForCausalLM", _text, **GROUPED),
    "qwen2, some windows": case_of(
        "Qwen2ForCausalLM",
        _text,
        **GROUPED,
        use_sliding_window=True,
        sliding_window=3,
        max_window_layers=1,
    ),
    "qwen3": case_of("Qwen3ForCausalLM", _text, **GROUPED, head_dim=4),
    "gemma": case_of("GemmaForCausalLM", _text, **SIZES | {"num_key_value_heads": 1}, head_dim=6),
    "phi3": case_of("Phi3ForCausalLM", _text, **GROUPED, pad_token_id=0),
    **{
        f"phi3, {name} text": case_of(
            "Phi3ForCausalLM",
            _text,
            **GROUPED | {"hidden_size": 16},
            pad_token_id=0,
            max_position_embeddings=64,
            original_max_position_embeddings=length,
            rope_parameters={
                "rope_type": "longrope",
                "rope_theta": 100.0,
                "short_factor": [1.0, 1.5],
                "long_factor": [2.0, 9.0],
                "original_max_position_embeddings": length,
            },
        )
        for name, length in (("short", 32), ("long", 5))
    },
    "olmo": case_of("OlmoForCausalLM", _text, **GROUPED, pad_token_id=0),
    "starcoder2": case_of("Starcoder2ForCausalLM", _text, **GROUPED),
    "gpt_neo": case_of(
        "GPTNeoForCausalLM",
        _text,
        vocab_size=TOKENS,
        hidden_size=WIDTH,
        num_layers=DEPTH,
        num_heads=HEADS,
        max_position_embeddings=LENGTH,
        attention_types=[[["local"], DEPTH]],
        window_size=3,
    ),
    "gpt_neo, global and local": case_of(
        "GPTNeoForCausalLM",
        _text,
        vocab_size=TOKENS,
        hidden_size=WIDTH,
        num_layers=4,
        num_heads=HEADS,
        max_position_embeddings=LENGTH,
        attention_types=[[["global", "local"], 2]],
        window_size=3,
    ),
    "gpt_neox": case_of("GPTNeoXForCausalLM", _text, **SIZES, **PARTIAL),
    "gpt_neox, sequential": case_of(
        "GPTNeoXForCausalLM", _text, **SIZES, **PARTIAL, use_parallel_residual=False
    ),
    "phi": case_of("PhiForCausalLM", _text, **SIZES, **PARTIAL),
    "opt": case_of("OPTForCausalLM", _text, **OPT),
    "opt, post-norm": case_of("OPTForCausalLM", _text, **OPT, do_layer_norm_before=False),
    "opt, projected": case_of(
        "OPTForCausalLM", _text, **{**OPT, "word_embed_proj_dim": 5}, do_layer_norm_before=False
    ),
    "opt, projected features": case_of(
        "OPTModel", _text, HIDDEN_STATE, **{**OPT, "word_embed_proj_dim": 5}
    ),
    "bloom": case_of(
        "BloomForCausalLM",
        _text,
        vocab_size=TOKENS,
        hidden_size=3 * 4,
        n_layer=DEPTH,
        n_head=3,
    ),
    "mpt": case_of(
        "MptForCausalLM",
        _text,
        vocab_size=TOKENS,
        d_model=3 * 4,
        n_layers=DEPTH,
        n_heads=3,
    ),
    "bert": case_of("BertModel", _segments, "pooler_output", **ENCODER),
    "bert, masked": case_of("BertForMaskedLM", _segments, **ENCODER),
    "roberta": case_of(
        "RobertaForMaskedLM",
        _padded,
        **SIZES,
        max_position_embeddings=LENGTH + 2,
        type_vocab_size=1,
    ),
    "xlm-roberta": case_of(
        "XLMRobertaForMaskedLM",
        _padded,
        **SIZES,
        max_position_embeddings=LENGTH + 2,
        type_vocab_size=1,
    ),
    "bert, classes": case_of("BertForSequenceClassification", _segments, **ENCODER, num_labels=3),
    "roberta, classes": case_of(
        "RobertaForSequenceClassification",
        _padded,
        **SIZES,
        max_position_embeddings=LENGTH + 2,
        type_vocab_size=1,
        num_labels=3,
    ),
    "electra, classes": case_of(
        "ElectraForSequenceClassification", _segments, **ENCODER, embedding_size=4, num_labels=3
    ),
    "distilbert, classes": case_of(
        "DistilBertForSequenceClassification", _padded, **DISTILBERT, num_labels=3
    ),
    "electra": case_of("ElectraModel", _segments, HIDDEN_STATE, **ENCODER, embedding_size=WIDTH),
    "distilbert": case_of("DistilBertForMaskedLM", _padded, **DISTILBERT),
    "vit": case_of("ViTForImageClassification", _images, **VISION),
    "deit": case_of("DeiTForImageClassification", _images, **VISION, qkv_bias=False),
    "deit, two heads": case_of("DeiTForImageClassificationWithTeacher", _images, **VISION),
    "t5": case_of("T5ForConditionalGeneration", _pairs, **T5),
    "t5, gated": case_of(
        "T5ForConditionalGeneration", _pairs, **T5, feed_forward_proj="gated-gelu", untied=True
    ),
    "bart": case_of("BartForConditionalGeneration", _pairs, **BART),
    "bart, one block of the decoder": case_of(
        "BartForConditionalGeneration", _pairs, **BART | {"decoder_layers": 1}
    ),
    "marian": case_of("MarianMTModel", _pairs, **BART, scale_embedding=True),
}
