"""PyTorch's multi-head attention: self and cross, with masks of both kinds, its own weights cut
into the four maps.
"""


def _arrays(layer, inputs, y, weights):
    """Inputs, output and gradients of ``sum(weights * y)``, kernels as (in, out)."""
    parameters = dict(layer.named_parameters())
    leaves = [*inputs.values(), *parameters.values()]
    gradients = dict(
        zip([*inputs, *parameters], _gradients((weights * y).sum(), leaves), strict=True)
    )
    arrays = {
        **inputs,
        "y": y,
        "weights": weights,
        **{f"gradient/{name}": gradients[name] for name in inputs},
    }
    for prefix, source in (("", parameters), ("gradient/", gradients)):
        names, is_apart = ("query", "key", "value"), layer.in_proj_weight is None
        kernels = (
            [source[f"{letter}_proj_weight"] for letter in "qkv"]
            if is_apart
            else source["in_proj_weight"].chunk(3)
        )
        for name, kernel, bias in zip(names, kernels, source["in_proj_bias"].chunk(3), strict=True):
            arrays |= {f"{prefix}{name}/kernel": kernel.T, f"{prefix}{name}/bias": bias}
        arrays |= {
            f"{prefix}output/kernel": source["out_proj.weight"].T,
            f"{prefix}output/bias": source["out_proj.bias"],
        }
    return arrays


def _gradients(loss, leaves):
    loss.backward()
    return [leaf.grad for leaf in leaves]


def _layer(torch, rng, **options):
    layer = torch.nn.MultiheadAttention(4, 2, batch_first=True, **options)
    for bias in (layer.in_proj_bias, layer.out_proj.bias):
        # PyTorch's own are zero, which would test nothing
        bias.data = torch.tensor(rng.normal(size=bias.shape))
    return layer


def _tensor(torch, rng, *shape):
    return torch.tensor(rng.standard_normal(shape), requires_grad=True)


def _self(torch, rng, **masks):
    layer, x = _layer(torch, rng), _tensor(torch, rng, 3, 4, 4)
    y, attention = layer(x, x, x, average_attn_weights=False, **masks)
    return _arrays(layer, {"x": x}, y, torch.tensor(rng.normal(size=y.shape))) | {
        "attention": attention
    }


def plain(torch, rng):
    return _self(torch, rng)


def causal(torch, rng):
    return _self(torch, rng, attn_mask=torch.triu(torch.ones(4, 4, dtype=bool), diagonal=1))


def padded(torch, rng):
    """PyTorch's ``key_padding_mask`` is True where an element is padding."""
    padding = torch.arange(4)[None] >= torch.tensor([[4], [2], [3]])
    return _self(torch, rng, key_padding_mask=padding) | {"real": ~padding}


def pairs(torch, rng):
    """A mask for each example, its diagonal open, so that no row is masked throughout."""
    hidden = torch.tensor(rng.random((3, 4, 4)) < 0.5) & ~torch.eye(4, dtype=bool)[None]
    return _self(torch, rng, attn_mask=hidden.repeat_interleave(2, dim=0)) | {"look": ~hidden}


def cross(torch, rng):
    layer = _layer(torch, rng, kdim=3, vdim=3)
    x, memory = _tensor(torch, rng, 3, 5, 4), _tensor(torch, rng, 3, 4, 3)
    padding = torch.arange(4)[None] >= torch.tensor([[4], [2], [3]])
    y, _ = layer(x, memory, memory, key_padding_mask=padding)
    return _arrays(layer, {"x": x, "memory": memory}, y, torch.tensor(rng.normal(size=y.shape))) | {
        "real": ~padding
    }


def grouped(torch, rng):
    """Query heads that share keys, in the function below the layer."""
    q, k, v = (
        _tensor(torch, rng, 2, 4, 3, 2),
        _tensor(torch, rng, 2, 2, 5, 2),
        _tensor(torch, rng, 2, 2, 5, 2),
    )
    bias = _tensor(torch, rng, 2, 4, 3, 5)
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, enable_gqa=True)
    weights = torch.tensor(rng.normal(size=y.shape))
    gradients = _gradients((weights * y).sum(), [q, k, v, bias])
    named = dict(
        zip(("gradient/q", "gradient/k", "gradient/v", "gradient/bias"), gradients, strict=True)
    )
    return {"q": q, "k": k, "v": v, "bias": bias, "y": y, "weights": weights, **named}


CASES = {
    "plain": plain,
    "causal": causal,
    "padded": padded,
    "pairs": pairs,
    "cross": cross,
    "grouped": grouped,
}
