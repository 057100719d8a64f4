"""PyTorch's layers of a transformer, encoder and decoder, before and after normalization, with
padding.

Params and gradients are vectors of all leaves, in the order of the names that they have in jnn.
Params are numbers that half precision holds exactly, and are kept as such.
"""

import numpy as np

WIDTH, HEADS, HIDDEN = 8, 2, 12


def _attention(prefix, name):
    """The params of a ``MultiheadAttention``: queries, keys and values are thirds of one matrix."""
    parts = {"query": 0, "key": 1, "value": 2}
    thirds = lambda kind: {
        (prefix, part, jnn): (f"{name}.in_proj_{kind}", i)
        for part, i in parts.items()
        for jnn in ["kernel" if kind == "weight" else "bias"]
    }
    return thirds("weight") | thirds("bias") | _dense((prefix, "output"), f"{name}.out_proj")


def _dense(path, name):
    return {(*path, "kernel"): (f"{name}.weight", None), (*path, "bias"): (f"{name}.bias", None)}


def _norm(path, name):
    return {(path, "scale"): (f"{name}.weight", None), (path, "bias"): (f"{name}.bias", None)}


FEED_FORWARD = _dense(("feed_forward", "hidden"), "linear1") | _dense(
    ("feed_forward", "output"), "linear2"
)
ENCODER = (
    _attention("attention", "self_attn")
    | FEED_FORWARD
    | _norm("attention_norm", "norm1")
    | _norm("feed_forward_norm", "norm2")
)
DECODER = (
    _attention("attention", "self_attn")
    | _attention("cross_attention", "multihead_attn")
    | FEED_FORWARD
    | _norm("attention_norm", "norm1")
    | _norm("cross_attention_norm", "norm2")
    | _norm("feed_forward_norm", "norm3")
)


def _vector(torch, names, values):
    """All values as one vector, as jnn sorts them, kernels as (in, out)."""

    def leaf(path):
        name, third = names[path]
        value = values[name] if third is None else values[name].chunk(3)[third]
        return value.T.flatten() if path[-1] == "kernel" else value.flatten()

    return torch.cat([leaf(path) for path in sorted(names)]).detach().numpy()


def _tensor(torch, rng, *shape):
    return torch.tensor(rng.standard_normal(shape), requires_grad=True)


def _padding(torch, length, lengths):
    return torch.arange(length)[None] >= torch.tensor(lengths)[:, None]


def _layer(torch, rng, kind, activation, norm_first):
    layer = kind(
        WIDTH,
        HEADS,
        HIDDEN,
        dropout=0,
        activation=activation,
        norm_first=norm_first,
        batch_first=True,
    )
    for name, p in layer.named_parameters():
        # PyTorch's own are 1 and 0, which would test nothing
        one = name.startswith("norm") and name.endswith("weight")
        values = one + rng.normal(size=p.shape) * (0.3 if p.ndim == 1 else WIDTH**-0.5)
        p.data = torch.tensor(values.astype(np.float16)).double()
    return layer


def _arrays(torch, layer, names, inputs, y, real, rng):
    """Inputs, output, and gradients of a weighted sum of the real outputs."""
    weights = torch.tensor(rng.normal(size=y.shape)) * real[..., None]
    parameters = dict(layer.named_parameters())
    gradients = torch.autograd.grad((weights * y).sum(), [*parameters.values(), *inputs.values()])
    of_params = dict(zip(parameters, gradients, strict=False))
    of_inputs = {
        f"gradient/{name}": value
        for name, value in zip(inputs, gradients[len(parameters) :], strict=True)
    }
    vectors = {
        "params": _vector(torch, names, parameters).astype(np.float16),
        "gradient/params": _vector(torch, names, of_params),
    }
    return {**inputs, **vectors, **of_inputs, "weights": weights, "y": y}


def _encoder(activation, norm_first):
    def case(torch, rng):
        layer = _layer(torch, rng, torch.nn.TransformerEncoderLayer, activation, norm_first)
        x, padding = _tensor(torch, rng, 3, 5, WIDTH), _padding(torch, 5, [5, 2, 4])
        y = layer(x, src_key_padding_mask=padding)
        return _arrays(torch, layer, ENCODER, {"x": x}, y, ~padding, rng) | {"real": ~padding}

    return case


def _decoder(activation, norm_first):
    def case(torch, rng):
        layer = _layer(torch, rng, torch.nn.TransformerDecoderLayer, activation, norm_first)
        x, memory = _tensor(torch, rng, 3, 4, WIDTH), _tensor(torch, rng, 3, 5, WIDTH)
        padding, memory_padding = _padding(torch, 4, [4, 3, 1]), _padding(torch, 5, [5, 2, 4])
        later = torch.triu(torch.ones(4, 4, dtype=bool), diagonal=1)
        masks = {
            "tgt_mask": later,
            "tgt_key_padding_mask": padding,
            "memory_key_padding_mask": memory_padding,
        }
        arrays = _arrays(
            torch,
            layer,
            DECODER,
            {"x": x, "memory": memory},
            layer(x, memory, **masks),
            ~padding,
            rng,
        )
        return arrays | {"real": ~padding, "memory_real": ~memory_padding}

    return case


CASES = {
    "encoder, relu, post-norm": _encoder("relu", False),
    "encoder, gelu, pre-norm": _encoder("gelu", True),
    "decoder, relu, post-norm": _decoder("relu", False),
    "decoder, gelu, pre-norm": _decoder("gelu", True),
}
