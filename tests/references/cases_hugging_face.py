"""Hugging Face's transformers with random weights: GPT-2, BERT, T5, Llama, and the vision
transformer (transformers==5.23.0).

Params and gradients are vectors of all leaves, in the order of the names that they have in jnn. To
keep the table small, weights are numbers that half precision holds exactly, and are kept as such,
and of the gradient every 7th number is kept.
"""

import logging
import math
from unittest import mock

import numpy as np

WIDTH, DEPTH, HEADS, HIDDEN, TOKENS, LENGTH = 8, 2, 2, 12, 13, 7
SAMPLED = 7


def _kernel(name):
    return {"kernel": lambda get: get(name + ".weight").T}


def _dense(name):
    return _kernel(name) | {"bias": lambda get: get(name + ".bias")}


def _scale(name):
    return {"scale": lambda get: get(name + ".weight")}


def _norm(name):
    return _scale(name) | {"bias": lambda get: get(name + ".bias")}


def _table(name, leaf="embedding"):
    return {leaf: lambda get: get(name + ".weight")}


def _four(kind, prefix, names):
    return {
        part: kind(f"{prefix}.{name}")
        for part, name in zip(("query", "key", "value", "output"), names, strict=True)
    }


def _stack(block, first=0, depth=DEPTH):
    """The leaves of the blocks, stacked; ``block(i)`` maps names of jnn to functions of the
    weights.
    """
    copies = [block(i) for i in range(first, first + depth)]

    def stacked(*leaves):
        if isinstance(leaves[0], dict):
            return {name: stacked(*(leaf[name] for leaf in leaves)) for name in leaves[0]}
        return lambda get: _stacked([leaf(get) for leaf in leaves])

    return stacked(*copies)


def _stacked(tensors):
    import torch

    return torch.stack(tensors)


def _vector(torch, tree, values):
    """All leaves as one vector, as jnn sorts them."""

    def leaves(tree):
        for name in sorted(tree):
            yield from (
                leaves(tree[name])
                if isinstance(tree[name], dict)
                else [tree[name](values.__getitem__).flatten()]
            )

    return torch.cat(list(leaves(tree))).detach().numpy()


def _gpt2_block(i):
    h = f"transformer.h.{i}"

    def third(part, leaf):
        return lambda get: get(f"{h}.attn.c_attn.{'weight' if leaf == 'kernel' else 'bias'}").chunk(
            3, dim=-1
        )[part]

    def as_it_is(name):
        return {
            "kernel": lambda get: get(name + ".weight"),
            "bias": lambda get: get(name + ".bias"),
        }

    attention = {
        name: {leaf: third(part, leaf) for leaf in ("kernel", "bias")}
        for part, name in enumerate(("query", "key", "value"))
    }
    return {
        "attention": attention | {"output": as_it_is(f"{h}.attn.c_proj")},
        "attention_norm": _norm(f"{h}.ln_1"),
        "feed_forward": {
            "hidden": as_it_is(f"{h}.mlp.c_fc"),
            "output": as_it_is(f"{h}.mlp.c_proj"),
        },
        "feed_forward_norm": _norm(f"{h}.ln_2"),
    }


GPT2 = {
    "embedding": _table("transformer.wte"),
    "positions": _table("transformer.wpe"),
    "blocks": _stack(_gpt2_block),
    "norm": _norm("transformer.ln_f"),
}


def _bert_block(i):
    layer = f"encoder.layer.{i}"
    return {
        "attention": _four(
            _dense, f"{layer}.attention", ("self.query", "self.key", "self.value", "output.dense")
        ),
        "attention_norm": _norm(f"{layer}.attention.output.LayerNorm"),
        "feed_forward": {
            "hidden": _dense(f"{layer}.intermediate.dense"),
            "output": _dense(f"{layer}.output.dense"),
        },
        "feed_forward_norm": _norm(f"{layer}.output.LayerNorm"),
    }


BERT = {
    "embedding": _table("embeddings.word_embeddings"),
    "positions": _table("embeddings.position_embeddings"),
    "segments": _table("embeddings.token_type_embeddings"),
    "embedding_norm": _norm("embeddings.LayerNorm"),
    "blocks": _stack(_bert_block),
    "pooler": _dense("pooler.dense"),
}


def _t5_stack(stack):
    def block(i):
        layer = f"{stack}.block.{i}.layer"
        last = f"{layer}.{2 if stack == 'decoder' else 1}"
        cross = {
            "cross_attention": _four(_kernel, f"{layer}.1.EncDecAttention", "qkvo"),
            "cross_attention_norm": _scale(f"{layer}.1.layer_norm"),
        }
        return {
            "attention": _four(_kernel, f"{layer}.0.SelfAttention", "qkvo"),
            "attention_norm": _scale(f"{layer}.0.layer_norm"),
            "feed_forward": {
                "hidden": _kernel(f"{last}.DenseReluDense.wi"),
                "output": _kernel(f"{last}.DenseReluDense.wo"),
            },
            "feed_forward_norm": _scale(f"{last}.layer_norm"),
        } | (cross if stack == "decoder" else {})

    blocks = _stack(block)
    blocks["attention"]["positions"] = _table(
        f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias"
    )
    return {"blocks": blocks, "norm": _scale(f"{stack}.final_layer_norm")}


T5 = {
    "embedding": _table("shared"),
    "encoder": _t5_stack("encoder"),
    "decoder": _t5_stack("decoder"),
}


def _llama_block(i):
    layer = f"model.layers.{i}"
    return {
        "attention": _four(_kernel, f"{layer}.self_attn", ("q_proj", "k_proj", "v_proj", "o_proj")),
        "attention_norm": _scale(f"{layer}.input_layernorm"),
        "feed_forward": {
            "hidden": {
                "gate": _kernel(f"{layer}.mlp.gate_proj"),
                "value": _kernel(f"{layer}.mlp.up_proj"),
            },
            "output": _kernel(f"{layer}.mlp.down_proj"),
        },
        "feed_forward_norm": _scale(f"{layer}.post_attention_layernorm"),
    }


LLAMA = {
    "embedding": _table("model.embed_tokens"),
    "blocks": _stack(_llama_block),
    "norm": _scale("model.norm"),
    "head": _kernel("lm_head"),
}


def _vit_block(i):
    layer = f"vit.layers.{i}"
    return {
        "attention": _four(_dense, f"{layer}.attention", ("q_proj", "k_proj", "v_proj", "o_proj")),
        "attention_norm": _norm(f"{layer}.layernorm_before"),
        "feed_forward": {
            "hidden": _dense(f"{layer}.mlp.fc1"),
            "output": _dense(f"{layer}.mlp.fc2"),
        },
        "feed_forward_norm": _norm(f"{layer}.layernorm_after"),
    }


def _patches(leaf):
    name = "vit.embeddings.patch_embeddings.projection"
    return lambda get: (
        get(f"{name}.weight").permute(2, 3, 1, 0) if leaf == "kernel" else get(f"{name}.bias")
    )


VIT = {
    "patches": {leaf: _patches(leaf) for leaf in ("kernel", "bias")},
    "class_token": {"token": lambda get: get("vit.embeddings.cls_token")},
    "positions": {"embedding": lambda get: get("vit.embeddings.position_embeddings")},
    "blocks": _stack(_vit_block),
    "norm": _norm("vit.layernorm"),
    "head": _dense("classifier"),
}


def _model(torch, rng, name, **settings):
    """The model of a name such as GPT2LMHead with weights of the order of one."""
    import transformers

    logging.getLogger("transformers").setLevel(logging.ERROR)
    config = next(kind for kind in ("GPT2", "Bert", "T5", "Llama", "ViT") if name.startswith(kind))
    ends = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    model = getattr(transformers, name)(
        getattr(transformers, config + "Config")(**settings, **({} if config == "ViT" else ends))
    )
    for p in model.parameters():
        mean, deviation = (0, 1.5 / math.sqrt(WIDTH)) if p.ndim > 1 else (0.7, 0.3)
        p.data = torch.tensor(
            (mean + deviation * rng.normal(size=p.shape)).astype(np.float16)
        ).double()
    return model.double().eval()


def _case(tree, name, make_inputs, outputs, **settings):
    """Inputs, params, outputs and the gradient of a weighted sum of the first of them; norms and
    angles in float64 too.
    """

    def case(torch, rng):
        exactly = mock.patch.multiple(torch, float32=torch.float64, float=torch.float64)
        with exactly, mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
            model, inputs = _model(torch, rng, name, **settings), make_inputs(torch, rng)
            found = model(**inputs)
            ys = {output: found[output] for output in outputs}
        first = ys[outputs[0]]
        weights, parameters = (
            torch.tensor(rng.normal(size=first.shape)),
            dict(model.named_parameters()),
        )
        if "attention_mask" in inputs and first.ndim == 3 and first.shape[1] == LENGTH:
            weights = weights * inputs["attention_mask"][..., None]
        gradients = torch.autograd.grad(
            (weights * first).sum(), parameters.values(), allow_unused=True
        )
        gradients = {
            name: torch.zeros_like(p) if g is None else g
            for (name, p), g in zip(parameters.items(), gradients, strict=True)
        }
        vectors = {"params": _vector(torch, tree, parameters).astype(np.float16)}
        return {
            **inputs,
            **ys,
            **vectors,
            "weights": weights,
            "gradient": _vector(torch, tree, gradients)[::SAMPLED],
        }

    return case


def _tokens(torch, rng, *shape):
    return torch.tensor(rng.integers(1, TOKENS, shape))


def _lengths(torch, *lengths):
    return (torch.arange(LENGTH)[None] < torch.tensor(lengths)[:, None]).long()


def _of_text(torch, rng):
    return {"input_ids": _tokens(torch, rng, 3, LENGTH)}


def _of_bert(torch, rng):
    kinds = torch.tensor(rng.integers(0, 2, (3, LENGTH)))
    return {
        "input_ids": _tokens(torch, rng, 3, LENGTH),
        "token_type_ids": kinds,
        "attention_mask": _lengths(torch, 7, 3, 5),
    }


def _of_t5(torch, rng):
    """Longer than the buckets of one distance each."""
    masks = {"attention_mask": (torch.arange(20)[None] < torch.tensor([20, 9])[:, None]).long()}
    return {
        "input_ids": _tokens(torch, rng, 2, 20),
        "decoder_input_ids": _tokens(torch, rng, 2, 24),
    } | masks


def _of_images(torch, rng):
    return {"pixel_values": torch.tensor(rng.normal(size=(2, 3, 8, 12)))}


SIZES = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "intermediate_size": HIDDEN,
}
CASES = {
    "gpt2": _case(
        GPT2,
        "GPT2LMHeadModel",
        _of_text,
        ["logits"],
        vocab_size=TOKENS,
        n_positions=LENGTH,
        n_embd=WIDTH,
        n_layer=DEPTH,
        n_head=HEADS,
    ),
    "bert": _case(
        BERT,
        "BertModel",
        _of_bert,
        ["pooler_output", "last_hidden_state"],
        vocab_size=TOKENS,
        max_position_embeddings=LENGTH,
        **SIZES,
    ),
    "t5": _case(
        T5,
        "T5ForConditionalGeneration",
        _of_t5,
        ["logits"],
        vocab_size=TOKENS,
        d_model=WIDTH,
        d_kv=3,
        d_ff=HIDDEN,
        num_layers=DEPTH,
        num_heads=HEADS,
    ),
    "llama": _case(
        LLAMA,
        "LlamaForCausalLM",
        _of_text,
        ["logits"],
        vocab_size=TOKENS,
        **{**SIZES, "num_attention_heads": 4},
        num_key_value_heads=2,
        rope_theta=100.0,
        rms_norm_eps=1e-5,
    ),
    "vit": _case(
        VIT,
        "ViTForImageClassification",
        _of_images,
        ["logits"],
        image_size=(8, 12),
        patch_size=4,
        num_labels=3,
        **SIZES,
    ),
}
