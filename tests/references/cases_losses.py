"""Losses by PyTorch: the inputs, the loss of each example, and the gradient of their mean.

Where PyTorch has no such loss, it is composed of PyTorch's functions as its paper writes it.
"""


def _with_gradient(torch, losses, *inputs, mean=None):
    mean = losses.mean() if mean is None else mean
    gradients = torch.autograd.grad(mean, inputs)
    return {
        "losses": losses,
        "mean": mean,
        **{f"gradient{i}": gradient for i, gradient in enumerate(gradients)},
    }


def _normal(torch, rng, *shape):
    return torch.tensor(rng.normal(size=shape), requires_grad=True)


def _cross_entropy(smoothing=0.0, weighted=False, ignored=None):
    def case(torch, rng):
        x, y = _normal(torch, rng, 12, 5), torch.tensor(rng.integers(0, 5, 12))
        if ignored is not None:
            y[3:6] = ignored
        w = torch.tensor(rng.uniform(0.1, 2.0, 5))
        settings = {
            "label_smoothing": smoothing,
            "weight": w if weighted else None,
            "ignore_index": -100 if ignored is None else ignored,
        }
        losses = torch.nn.functional.cross_entropy(x, y, reduction="none", **settings)
        mean = torch.nn.functional.cross_entropy(x, y, **settings)
        return {
            "logits": x,
            "labels": y,
            "class_weights": w,
            **_with_gradient(torch, losses, x, mean=mean),
        }

    return case


def soft_cross_entropy(torch, rng):
    x, q, w = (
        _normal(torch, rng, 12, 5),
        torch.tensor(rng.dirichlet(0.3 * rng.random(5) + 0.1, 12)),
        torch.tensor(rng.uniform(0.1, 2.0, 5)),
    )
    losses = torch.nn.functional.cross_entropy(x, q, weight=w, reduction="none")
    return {"logits": x, "probabilities": q, "class_weights": w, **_with_gradient(torch, losses, x)}


def binary_cross_entropy(torch, rng):
    x, y, a = (
        _normal(torch, rng, 12, 3),
        torch.tensor(rng.random((12, 3))),
        torch.tensor(rng.uniform(0.1, 5.0, 3)),
    )
    losses = torch.nn.functional.binary_cross_entropy_with_logits(
        x, y, pos_weight=a, reduction="none"
    )
    return {"logits": x, "targets": y, "positive_weight": a, **_with_gradient(torch, losses, x)}


def focal(torch, rng):
    x, y = _normal(torch, rng, 12, 3), torch.tensor(rng.integers(0, 2, (12, 3)).astype(float))
    p_t, alpha_t = (
        torch.where(y == 1, torch.sigmoid(x), torch.sigmoid(-x)),
        torch.where(y == 1, 0.25, 0.75),
    )
    return {
        "logits": x,
        "targets": y,
        **_with_gradient(torch, -alpha_t * (1 - p_t) ** 2 * torch.log(p_t), x),
    }


def _regression(function):
    def case(torch, rng):
        x, y = _normal(torch, rng, 12, 3), torch.tensor(2 * rng.normal(size=(12, 3)))
        return {
            "predictions": x,
            "targets": y,
            **_with_gradient(torch, function(torch.nn.functional, x, y), x),
        }

    return case


def kl_divergence(torch, rng):
    x, q = _normal(torch, rng, 12, 5), torch.tensor(rng.dirichlet([0.5] * 5, 12))
    q[0] = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
    losses = torch.nn.functional.kl_div(x.log_softmax(-1), q, reduction="none").sum(-1)
    return {"logits": x, "targets": q, **_with_gradient(torch, losses, x)}


def gaussian_kl_divergence(torch, rng):
    mean, log_variance = _normal(torch, rng, 12, 5), _normal(torch, rng, 12, 5)
    normal = torch.distributions.Normal
    losses = torch.distributions.kl_divergence(
        normal(mean, torch.exp(log_variance / 2)), normal(0.0, 1.0)
    ).sum(-1)
    return {
        "mean_of": mean,
        "log_variance": log_variance,
        **_with_gradient(torch, losses, mean, log_variance),
    }


def contrastive(torch, rng):
    a, b, same = (
        _normal(torch, rng, 12, 3),
        _normal(torch, rng, 12, 3),
        torch.tensor(rng.integers(0, 2, 12).astype(float)),
    )
    d = torch.nn.functional.pairwise_distance(a, b, eps=0.0)
    losses = same * d**2 / 2 + (1 - same) * torch.relu(2.0 - d) ** 2 / 2
    return {"first": a, "second": b, "same": same, **_with_gradient(torch, losses, a, b)}


def triplet(torch, rng):
    a, p, n = (_normal(torch, rng, 12, 3) for _ in range(3))
    losses = torch.nn.functional.triplet_margin_loss(a, p, n, margin=0.7, eps=0.0, reduction="none")
    return {"anchors": a, "positives": p, "negatives": n, **_with_gradient(torch, losses, a, p, n)}


def _cosines(torch, a, b):
    return torch.nn.functional.cosine_similarity(a[:, None], b[None], dim=-1)


def info_nce(torch, rng):
    q, k = _normal(torch, rng, 6, 4), _normal(torch, rng, 6, 4)
    losses = torch.nn.functional.cross_entropy(
        _cosines(torch, q, k) / 0.2, torch.arange(6), reduction="none"
    )
    return {"queries": q, "keys": k, **_with_gradient(torch, losses, q, k)}


def nt_xent(torch, rng):
    a, b = _normal(torch, rng, 6, 4), _normal(torch, rng, 6, 4)
    views = torch.cat([a, b])
    similarities = (_cosines(torch, views, views) / 0.2).masked_fill(
        torch.eye(12, dtype=bool), -torch.inf
    )
    losses = (
        torch.nn.functional.cross_entropy(
            similarities, (torch.arange(12) + 6) % 12, reduction="none"
        )
        .reshape(2, 6)
        .mean(0)
    )
    return {"first": a, "second": b, **_with_gradient(torch, losses, a, b)}


def ctc(torch, rng):
    frames, lengths = [12, 10, 9, 5], [4, 3, 1, 4]
    x, y = _normal(torch, rng, 4, 12, 5), torch.tensor(rng.integers(1, 5, (4, 4)))
    y[0, 1] = y[0, 2]
    y[3] = torch.tensor([1, 2, 3, 4])
    log_p = x.log_softmax(-1).transpose(0, 1)
    losses = torch.nn.functional.ctc_loss(
        log_p, y, torch.tensor(frames), torch.tensor(lengths), reduction="none"
    )
    return {
        "logits": x,
        "labels": y,
        "frames": frames,
        "lengths": lengths,
        **_with_gradient(torch, losses, x),
    }


CASES = {
    "cross_entropy": _cross_entropy(),
    "cross_entropy_smoothing": _cross_entropy(smoothing=0.1),
    "cross_entropy_weights": _cross_entropy(weighted=True),
    "cross_entropy_ignored": _cross_entropy(ignored=-100),
    "cross_entropy_ignored_class": _cross_entropy(ignored=0),
    "cross_entropy_all": _cross_entropy(smoothing=0.1, weighted=True, ignored=-100),
    "soft_cross_entropy": soft_cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "focal": focal,
    "squared_error": _regression(lambda f, x, y: f.mse_loss(x, y, reduction="none")),
    "absolute_error": _regression(lambda f, x, y: f.l1_loss(x, y, reduction="none")),
    "huber": _regression(lambda f, x, y: f.huber_loss(x, y, delta=0.8, reduction="none")),
    "cosine_distance": _regression(lambda f, x, y: 1 - f.cosine_similarity(x, y, dim=-1)),
    "kl_divergence": kl_divergence,
    "gaussian_kl_divergence": gaussian_kl_divergence,
    "contrastive": contrastive,
    "triplet": triplet,
    "info_nce": info_nce,
    "nt_xent": nt_xent,
    "ctc": ctc,
}
