"""Embedding by PyTorch, alone and with weights tied to the read-out."""


def embedding(torch, rng):
    layer, tokens, weights = (
        torch.nn.Embedding(7, 3),
        torch.tensor(rng.integers(0, 7, (4, 5))),
        torch.tensor(rng.normal(size=(4, 5, 3))),
    )
    y = layer(tokens)
    (gradient,) = torch.autograd.grad((weights * y).sum(), [layer.weight])
    return {
        "embedding": layer.weight,
        "tokens": tokens,
        "weights": weights,
        "y": y,
        "gradient": gradient,
    }


def tied(torch, rng):
    """Next-token cross-entropy of a small trunk between an embedding and a read-out that share one
    matrix.
    """
    embed, trunk, read_out = (
        torch.nn.Embedding(7, 3),
        torch.nn.Linear(3, 3),
        torch.nn.Linear(3, 7, bias=False),
    )
    read_out.weight = embed.weight
    tokens = torch.tensor(rng.integers(0, 7, (4, 6)))
    logits = read_out(torch.tanh(trunk(embed(tokens[:, :-1]))))
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, 7), tokens[:, 1:].reshape(-1))
    gradients = torch.autograd.grad(loss, [embed.weight, trunk.weight, trunk.bias])
    return {
        "tokens": tokens,
        "embedding": embed.weight,
        "kernel": trunk.weight.T,
        "bias": trunk.bias,
        "logits": logits,
        "gradient/embedding": gradients[0],
        "gradient/kernel": gradients[1].T,
        "gradient/bias": gradients[2],
    }


CASES = {"embedding": embedding, "tied": tied}
