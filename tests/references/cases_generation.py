"""Losses of two players by PyTorch, as their papers write them, with gradients; and its shuffles of
pixels.
"""


def _players(discriminator, generator):
    def case(torch, rng):
        real, fake = (torch.tensor(2 * rng.normal(size=12), requires_grad=True) for _ in range(2))
        losses = discriminator(torch.nn.functional, real, fake)
        deceived = generator(torch.nn.functional, fake)
        by_real, by_fake = torch.autograd.grad(losses.mean(), (real, fake))
        (by_deceived,) = torch.autograd.grad(deceived.mean(), fake)
        return {
            "real": real,
            "fake": fake,
            "discriminator": losses,
            "generator": deceived,
            "by_real": by_real,
            "by_fake": by_fake,
            "by_deceived": by_deceived,
        }

    return case


def _entropy(f, scores, target):
    return f.binary_cross_entropy_with_logits(
        scores, target * scores.detach().new_ones(scores.shape), reduction="none"
    )


def gradient_penalty(torch, rng):
    """A small network as the score; the gradient of the mean penalty by its weights goes through a
    gradient.
    """
    W, w = (torch.tensor(rng.normal(size=shape), requires_grad=True) for shape in ((6, 5), (5,)))
    real, fake = (torch.tensor(rng.normal(size=(7, 2, 3))) for _ in range(2))
    mix = torch.tensor(rng.uniform(size=7))
    x = (mix[:, None, None] * real + (1 - mix[:, None, None]) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(
        (torch.tanh(x.reshape(7, 6) @ W) @ w).sum(), x, create_graph=True
    )
    penalty = (slope.reshape(7, 6).norm(2, dim=1) - 1) ** 2
    by_W, by_w = torch.autograd.grad(penalty.mean(), (W, w))
    return {
        "W": W,
        "w": w,
        "real": real,
        "fake": fake,
        "mix": mix,
        "penalty": penalty,
        "by_W": by_W,
        "by_w": by_w,
    }


def pixel_shuffle(torch, rng):
    """Channels first, as in PyTorch."""
    deep, wide = (
        torch.tensor(rng.normal(size=(2, 8, 3, 4))),
        torch.tensor(rng.normal(size=(2, 2, 6, 8))),
    )
    shuffle = torch.nn.functional.pixel_shuffle
    return {
        "deep": deep,
        "wide": wide,
        "shuffled": shuffle(deep, 2),
        "unshuffled": torch.nn.functional.pixel_unshuffle(wide, 2),
    }


def conditional_norm(torch, rng):
    """Groups normalized by PyTorch, then scaled by a dense function of the condition, channels
    first.
    """
    x, c = torch.tensor(rng.normal(size=(3, 6, 4, 5))), torch.tensor(rng.normal(size=(3, 2)))
    kernel, bias = torch.tensor(rng.normal(size=(2, 12))), torch.tensor(rng.normal(size=12))
    scale, shift = (c @ kernel + bias).chunk(2, dim=1)
    y = (
        torch.nn.functional.group_norm(x, 3, eps=1e-5) * (1 + scale[:, :, None, None])
        + shift[:, :, None, None]
    )
    return {"x": x, "condition": c, "kernel": kernel, "bias": bias, "y": y}


CASES = {
    "hinge": _players(lambda f, r, k: f.relu(1 - r) + f.relu(1 + k), lambda f, k: -k),
    "non_saturating": _players(
        lambda f, r, k: _entropy(f, r, 1.0) + _entropy(f, k, 0.0), lambda f, k: _entropy(f, k, 1.0)
    ),
    "wasserstein": _players(lambda f, r, k: k - r, lambda f, k: -k),
    "gradient_penalty": gradient_penalty,
    "pixel_shuffle": pixel_shuffle,
    "conditional_norm": conditional_norm,
}
