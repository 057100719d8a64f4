"""A recurrent encoder-decoder of PyTorch's layers: logits, and gradients of ``sum(weights * y)``,
in the shapes of jnn's params.
"""

from tests.references.cases_recurrent import _in_jnn

WIDTH, HEADS, SOURCE_VOCABULARY, TARGET_VOCABULARY = 4, 2, 7, 5
SOURCE, TARGET, LENGTHS = [[5, 3, 4, 6, 1], [1, 6, 2, 0, 0]], [[3, 1, 0, 1], [2, 0, 4, 3]], [5, 3]


def translator(torch, rng):
    """Two layers of LSTM on each side; sources of unequal length are packed for the encoder, and
    masked for the attention.
    """
    nn, source, target = torch.nn, torch.tensor(SOURCE), torch.tensor(TARGET)
    embedding = {
        "source": nn.Embedding(SOURCE_VOCABULARY, WIDTH),
        "target": nn.Embedding(TARGET_VOCABULARY, WIDTH),
    }
    encoder = nn.LSTM(WIDTH, WIDTH // 2, num_layers=2, bidirectional=True, batch_first=True)
    layers = [nn.LSTM(WIDTH, WIDTH, batch_first=True), nn.LSTM(2 * WIDTH, WIDTH, batch_first=True)]
    start, combine = nn.Linear(WIDTH, WIDTH), nn.Linear(2 * WIDTH, WIDTH)
    attention = nn.MultiheadAttention(WIDTH, HEADS, bias=False, batch_first=True)

    read = nn.utils.rnn.pack_padded_sequence(
        embedding["source"](source), torch.tensor(LENGTHS), batch_first=True
    )
    memory, lengths = nn.utils.rnn.pad_packed_sequence(encoder(read)[0], batch_first=True)
    padding = torch.arange(source.shape[1])[None] >= lengths[:, None]
    first = torch.tanh(start(memory.sum(dim=1) / lengths[:, None]))[None]
    h, _ = layers[0](embedding["target"](target), (first, torch.zeros_like(first)))
    seen, looked = attention(
        h, memory, memory, key_padding_mask=padding, average_attn_weights=False
    )
    h, _ = layers[1](torch.cat([h, seen], dim=-1))
    y = torch.tanh(combine(torch.cat([h, seen], dim=-1))) @ embedding["target"].weight.T

    weights = torch.tensor(rng.normal(size=y.shape))
    arrays = {
        "source": source,
        "real": ~padding,
        "tokens": target,
        "weights": weights,
        "y": y,
        "attention": looked,
    }
    (weights * y).sum().backward()
    recurrent = [(f"decoder/layer{i}", layers[i], "_l0") for i in range(2)]
    for way, end in (("forward", ""), ("backward", "_reverse")):
        recurrent += [(f"encoder/layer{i}/{way}", encoder, f"_l{i}{end}") for i in range(2)]
    for path, layer, suffix in recurrent:
        for group, found in _in_jnn(torch, layer, suffix).items():
            arrays |= {f"{group}/{path}/{name}": value for name, value in found.items()}
    for group, of in (("params", lambda p: p), ("gradient", lambda p: p.grad)):
        for name, layer in (("start", start), ("decoder/combine", combine)):
            arrays |= {
                f"{group}/{name}/kernel": of(layer.weight).T,
                f"{group}/{name}/bias": of(layer.bias),
            }
        for kind, layer in embedding.items():
            arrays[f"{group}/{kind}_embedding/embedding"] = of(layer.weight)
        maps = dict(
            zip(("query", "key", "value"), of(attention.in_proj_weight).chunk(3), strict=True)
        )
        for name, kernel in (maps | {"output": of(attention.out_proj.weight)}).items():
            arrays[f"{group}/decoder/attention/{name}/kernel"] = kernel.T
    return arrays


CASES = {"translator": translator}
