"""Convolutions by PyTorch, channels last, kernels in HWIO order: inputs, outputs, and gradients of
``sum(weights * y)``.
"""

import functools


def _convolution(make, *shape):
    """``make(torch)`` on x of this shape, channels last."""

    def case(torch, rng):
        layer, x = make(torch), torch.tensor(rng.normal(size=shape), requires_grad=True)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.tensor(rng.normal(size=parameter.shape)))
        y = layer(x.movedim(-1, 1)).movedim(1, -1)
        weights = torch.tensor(rng.normal(size=y.shape))
        gradients = torch.autograd.grad((weights * y).sum(), [x, *layer.parameters()])
        order = functools.partial(_hwio, is_transposed="Transpose" in type(layer).__name__)
        names = [{"weight": "kernel", "bias": "bias"}[name] for name, _ in layer.named_parameters()]
        return {
            "x": x,
            "weights": weights,
            "y": y,
            **{
                f"params/{name}": order(parameter)
                for name, parameter in zip(names, layer.parameters(), strict=True)
            },
            **{
                f"gradient/{name}": order(gradient)
                for name, gradient in zip(names, gradients[1:], strict=True)
            },
            "gradient/x": gradients[0],
        }

    return case


def _hwio(array, is_transposed):
    """PyTorch keeps (out, in, *window), and (in, out, *window) for transposed convolutions."""
    if array.ndim == 1:
        return array
    window = tuple(range(2, array.ndim))
    return array.permute(*window, 0, 1) if is_transposed else array.permute(*window, 1, 0)


CASES = {
    "sequence, same": _convolution(lambda torch: torch.nn.Conv1d(2, 3, 4, padding="same"), 2, 7, 2),
    "sequence, strides and dilation": _convolution(
        lambda torch: torch.nn.Conv1d(2, 3, 3, stride=2, padding=3, dilation=2), 2, 9, 2
    ),
    "image, same": _convolution(
        lambda torch: torch.nn.Conv2d(2, 3, (3, 5), padding="same"), 2, 5, 4, 2
    ),
    "image, valid": _convolution(
        lambda torch: torch.nn.Conv2d(2, 3, (3, 2), bias=False), 2, 5, 4, 2
    ),
    "image, strides": _convolution(
        lambda torch: torch.nn.Conv2d(2, 3, 3, stride=(2, 3), padding=(1, 0)), 2, 6, 7, 2
    ),
    "image, shortcut": _convolution(lambda torch: torch.nn.Conv2d(2, 3, 1, stride=2), 2, 6, 4, 2),
    "image, dilation": _convolution(
        lambda torch: torch.nn.Conv2d(2, 3, 3, padding=2, dilation=2), 2, 5, 4, 2
    ),
    "image, groups": _convolution(
        lambda torch: torch.nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), 2, 4, 3, 4
    ),
    "volume": _convolution(
        lambda torch: torch.nn.Conv3d(2, 3, (2, 3, 2), stride=(1, 2, 1), padding=(0, 1, 0)),
        2,
        3,
        4,
        3,
        2,
    ),
    "depthwise": _convolution(
        lambda torch: torch.nn.Conv2d(3, 3, 3, padding=1, groups=3), 2, 4, 5, 3
    ),
    "depthwise, multiplier": _convolution(
        lambda torch: torch.nn.Conv2d(3, 6, 3, stride=2, padding=2, dilation=2, groups=3),
        2,
        5,
        4,
        3,
    ),
    "transposed sequence": _convolution(
        lambda torch: torch.nn.ConvTranspose1d(2, 3, 5, stride=2, padding=1), 2, 4, 2
    ),
    "transposed image": _convolution(
        lambda torch: torch.nn.ConvTranspose2d(
            2, 3, 3, stride=2, padding=1, output_padding=1, dilation=(1, 2)
        ),
        2,
        3,
        2,
        2,
    ),
}
