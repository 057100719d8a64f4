"""PyTorch's recurrent layers: inputs, outputs, and gradients of ``sum(weights * y)``, under the
names and in the shapes of jnn's params.

PyTorch keeps the transposed matrices and two biases: jnn's is their sum, and has the gradient of
either. Only in the candidate of a GRU they differ.
"""

BATCH, TIME, INPUTS, FEATURES = 3, 5, 2, 3


def _layer(kind, **options):
    """One call on a whole batch."""

    def case(torch, rng):
        layer, x = (
            getattr(torch.nn, kind)(INPUTS, FEATURES, batch_first=True, **options),
            _normal(torch, rng, BATCH, TIME, INPUTS),
        )
        x.requires_grad_()
        return {"x": x} | _differentiated(torch, rng, layer, layer(x)[0], x)

    return case


def lengths(torch, rng):
    """Sequences of unequal length, packed: PyTorch puts zeros where they have ended."""
    layer = torch.nn.LSTM(INPUTS, FEATURES, bidirectional=True, batch_first=True)
    x, count = _normal(torch, rng, BATCH, TIME, INPUTS).requires_grad_(), torch.tensor([3, 5, 1])
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        x, count, batch_first=True, enforce_sorted=False
    )
    y, _ = torch.nn.utils.rnn.pad_packed_sequence(
        layer(packed)[0], batch_first=True, total_length=TIME
    )
    return {"x": x, "lengths": count} | _differentiated(torch, rng, layer, y, x)


def truncated(torch, rng):
    """Two halves of a sequence, the memory detached between them."""
    layer = torch.nn.LSTM(INPUTS, FEATURES, batch_first=True)
    x = _normal(torch, rng, BATCH, TIME, INPUTS).requires_grad_()
    first, (h, c) = layer(x[:, : TIME // 2])
    second, _ = layer(x[:, TIME // 2 :], (h.detach(), c.detach()))
    return {"x": x} | _differentiated(torch, rng, layer, torch.cat([first, second], dim=1), x)


def _normal(torch, rng, *shape):
    return torch.tensor(rng.standard_normal(shape))


def _differentiated(torch, rng, layer, y, x):
    weights = _normal(torch, rng, *y.shape)
    (weights * y).sum().backward()
    arrays = {"weights": weights, "y": y, "gradient/x": x.grad}
    for depth in range(layer.num_layers):
        for direction in ("", "_reverse")[: 1 + layer.bidirectional]:
            path = [str(depth)] * (layer.num_layers > 1) + [
                {"": "forward", "_reverse": "backward"}[direction]
            ] * layer.bidirectional
            for group, found in _in_jnn(torch, layer, f"_l{depth}{direction}").items():
                arrays |= {"/".join([group, *path, name]): value for name, value in found.items()}
    return arrays


def _in_jnn(torch, layer, suffix):
    of = lambda name: getattr(layer, name + suffix)
    matrices = {"kernel": "weight_ih", "recurrent_kernel": "weight_hh"} | (
        {"projection": "weight_hr"} if layer.proj_size else {}
    )
    params = {ours: of(theirs).T for ours, theirs in matrices.items()}
    gradient = {ours: of(theirs).grad.T for ours, theirs in matrices.items()}
    input_bias, hidden_bias = of("bias_ih"), of("bias_hh")
    gradient["bias"] = input_bias.grad
    if isinstance(layer, torch.nn.GRU):
        gates = 2 * layer.hidden_size
        params["bias"] = input_bias + torch.cat(
            [hidden_bias[:gates], torch.zeros_like(hidden_bias[gates:])]
        )
        params["recurrent_bias"], gradient["recurrent_bias"] = (
            hidden_bias[gates:],
            hidden_bias.grad[gates:],
        )
    else:
        params["bias"] = input_bias + hidden_bias
    return {"params": params, "gradient": gradient}


CASES = {
    "elman": _layer("RNN"),
    "elman, relu": _layer("RNN", nonlinearity="relu"),
    "lstm": _layer("LSTM"),
    "lstm, projection": _layer("LSTM", proj_size=2),
    "lstm, two layers": _layer("LSTM", num_layers=2),
    "lstm, two layers, both directions": _layer("LSTM", num_layers=2, bidirectional=True),
    "gru": _layer("GRU"),
    "gru, both directions": _layer("GRU", bidirectional=True),
    "lengths": lengths,
    "truncated": truncated,
}
