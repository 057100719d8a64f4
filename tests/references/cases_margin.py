"""Margin losses in PyTorch, as their papers write them: with the angle itself, and a target logit
of its own for each example.
"""

import math


def _case(moved):
    def case(torch, rng):
        c = torch.tensor(rng.uniform(-0.999, 0.999, (12, 5)), requires_grad=True)
        y = torch.tensor(rng.integers(0, 5, 12))
        with torch.no_grad():
            c[0, y[0]], c[1, y[1]] = -0.97, -0.9  # one angle on each side of π - m
        own = moved(torch, c.gather(1, y[:, None]))
        losses = torch.nn.functional.cross_entropy(
            16.0 * c.scatter(1, y[:, None], own), y, reduction="none"
        )
        (gradient,) = torch.autograd.grad(losses.mean(), [c])
        return {"cosines": c, "labels": y, "losses": losses, "gradient": gradient}

    return case


def _arcface(torch, c):
    angle = torch.arccos(c) + 0.4
    return torch.where(angle < math.pi, torch.cos(angle), c - 0.4 * math.sin(0.4))


CASES = {"arcface": _case(_arcface), "cosface": _case(lambda torch, c: c - 0.35)}
