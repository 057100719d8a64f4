"""Losses of detection, composed of PyTorch's functions as their papers write them, with the
gradient of their sum.
"""


def _with_gradient(torch, losses, inputs):
    return {"losses": losses, "gradient": torch.autograd.grad(losses.sum(), inputs)[0]}


def heat_map_focal(torch, rng):
    """Law and Deng 2018, equation 1, with alpha = 2 and beta = 4."""
    x, y = (
        torch.tensor(3 * rng.normal(size=(4, 5, 2)), requires_grad=True),
        torch.tensor(rng.random((4, 5, 2)) ** 2),
    )
    y[1, 2, 0] = y[3, 4, 1] = 1
    p = torch.sigmoid(x)
    losses = -torch.where(
        y == 1, (1 - p) ** 2 * torch.log(p), (1 - y) ** 4 * p**2 * torch.log(1 - p)
    )
    return {"logits": x, "heat": y, **_with_gradient(torch, losses, x)}


def generalized_iou(torch, rng):
    """Rezatofighi et al. 2019, algorithm 1, on boxes that overlap, touch nothing, and lie within
    each other.
    """
    low, size = rng.uniform(0, 8, (2, 40, 2)), rng.uniform(1, 6, (2, 40, 2))
    size[1, :5], low[1, :5] = 0.5 * size[0, :5], low[0, :5] + 0.2 * size[0, :5]
    a, b = torch.cat([torch.tensor(low), torch.tensor(low + size)], dim=-1)
    a = a.clone().requires_grad_()
    (x1, y1, x2, y2), (u1, v1, u2, v2) = a.unbind(-1), b.unbind(-1)
    wide, high = (
        torch.minimum(x2, u2) - torch.maximum(x1, u1),
        torch.minimum(y2, v2) - torch.maximum(y1, v1),
    )
    shared = torch.where((wide > 0) & (high > 0), wide * high, torch.zeros_like(wide))
    union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - shared
    hull = (torch.maximum(x2, u2) - torch.minimum(x1, u1)) * (
        torch.maximum(y2, v2) - torch.minimum(y1, v1)
    )
    return {
        "predictions": a,
        "targets": b,
        **_with_gradient(torch, 1 - (shared / union - (hull - union) / hull), a),
    }


CASES = {"heat_map_focal": heat_map_focal, "generalized_iou": generalized_iou}
