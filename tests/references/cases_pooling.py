"""Pooling and upsampling by PyTorch, channels last: inputs, outputs, and the gradient of
``sum(weights * y)``. Some values are equal.
"""


def _pooling(make, *shape):
    """``make(torch)`` on x of this shape, channels last."""

    def case(torch, rng):
        x = torch.tensor(rng.normal(size=shape), requires_grad=True)
        return _with_gradient(torch, rng, make(torch), x)

    return case


def _with_gradient(torch, rng, f, x):
    y = f(x.movedim(-1, 1)).movedim(1, -1)
    weights = torch.tensor(rng.normal(size=y.shape))
    return {
        "x": x,
        "weights": weights,
        "y": y,
        "gradient": torch.autograd.grad((weights * y).sum(), x)[0],
    }


def ties(torch, rng):
    """Max pooling of values among which many are equal."""
    x = torch.tensor(rng.integers(0, 3, size=(2, 6, 7, 2)) * 1.0, requires_grad=True)
    return _with_gradient(torch, rng, torch.nn.MaxPool2d(3, 2, 1), x)


def _interpolate(**settings):
    return lambda torch: lambda x: torch.nn.functional.interpolate(x, **settings)


CASES = {
    "max": _pooling(lambda torch: torch.nn.MaxPool2d(2), 2, 5, 4, 3),
    "max, overlapping": _pooling(
        lambda torch: torch.nn.MaxPool2d((3, 2), (2, 1), (1, 0)), 2, 7, 5, 3
    ),
    "max, ties": ties,
    "max, sequence": _pooling(lambda torch: torch.nn.MaxPool1d(3, 2), 2, 8, 3),
    "max, volume": _pooling(lambda torch: torch.nn.MaxPool3d(2, 1), 2, 3, 4, 3, 2),
    "average": _pooling(lambda torch: torch.nn.AvgPool2d(2), 2, 5, 4, 3),
    "average, padding counts": _pooling(
        lambda torch: torch.nn.AvgPool2d(3, 2, 1, count_include_pad=True), 2, 7, 6, 3
    ),
    "average, padding does not count": _pooling(
        lambda torch: torch.nn.AvgPool2d(3, 2, 1, count_include_pad=False), 2, 7, 6, 3
    ),
    "adaptive average": _pooling(lambda torch: torch.nn.AdaptiveAvgPool2d((3, 4)), 2, 7, 8, 2),
    "adaptive average, sequence": _pooling(lambda torch: torch.nn.AdaptiveAvgPool1d(5), 2, 3, 2),
    "adaptive max": _pooling(lambda torch: torch.nn.AdaptiveMaxPool2d((3, 4)), 2, 7, 8, 2),
    "upsample, nearest": _pooling(_interpolate(scale_factor=(2, 3), mode="nearest"), 2, 3, 2, 2),
    "upsample, bilinear": _pooling(
        _interpolate(scale_factor=(2, 3), mode="bilinear", align_corners=False), 2, 3, 4, 2
    ),
    "upsample, linear": _pooling(
        _interpolate(scale_factor=4, mode="linear", align_corners=False), 2, 5, 2
    ),
}
