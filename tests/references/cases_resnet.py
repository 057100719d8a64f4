"""Residual networks in plain PyTorch, after the paper and with the names of jnn: one step in
training, then evaluation.

Params, statistics and gradients are vectors of all leaves, in the order of their names. To keep the
table small, images and weights are numbers that half precision holds exactly, and are kept as such,
and of the gradient every 13th number is kept.
"""

import collections

import numpy as np

SAMPLED = 13


def _layers(torch, **layers):
    return torch.nn.Sequential(collections.OrderedDict(layers))


def _conv(torch, inputs, outputs, size, stride=1):
    return torch.nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)


def _body(torch, channels, sizes, strides):
    """Convolutions with a normalization after each and a rectifier between."""
    layers = {}
    for i, (inputs, outputs, size, stride) in enumerate(
        zip(channels, channels[1:], sizes, strides, strict=False)
    ):
        layers |= {
            f"conv{i}": _conv(torch, inputs, outputs, size, stride),
            f"norm{i}": torch.nn.BatchNorm2d(outputs),
        }
        layers |= {f"activation{i}": torch.nn.ReLU()} if i < len(sizes) - 1 else {}
    return _layers(torch, **layers)


def _block(torch, inputs, outputs, stride, body):
    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.shortcut = body, torch.nn.Identity()
            if stride > 1 or inputs != outputs:
                self.shortcut = _layers(
                    torch,
                    conv=_conv(torch, inputs, outputs, 1, stride),
                    norm=torch.nn.BatchNorm2d(outputs),
                )

        def forward(self, x):
            return torch.relu(self.body(x) + self.shortcut(x))

    return Block()


def _resnet(torch, blocks, width, bottleneck, small, outputs=3):
    stem = {
        "conv": _conv(torch, 3, width, 3 if small else 7, 1 if small else 2),
        "norm": torch.nn.BatchNorm2d(width),
    }
    stem |= {"activation": torch.nn.ReLU()} | (
        {} if small else {"pool": torch.nn.MaxPool2d(3, stride=2, padding=1)}
    )
    stages, inputs = {}, width
    for i, n in enumerate(blocks):
        features, stage = width * 2**i, {}
        for j in range(n):
            stride = 2 if i > 0 and j == 0 else 1
            if bottleneck:
                channels = (inputs, features, features, 4 * features)
                body = _body(torch, channels, (1, 3, 1), (1, stride, 1))
            else:
                channels = (inputs, features, features)
                body = _body(torch, channels, (3, 3), (stride, 1))
            stage[f"block{j}"], inputs = (
                _block(torch, inputs, channels[-1], stride, body),
                channels[-1],
            )
        stages[f"stage{i}"] = _layers(torch, **stage)
    read_out = {
        "pool": torch.nn.AdaptiveAvgPool2d(1),
        "flatten": torch.nn.Flatten(),
        "out": torch.nn.Linear(inputs, outputs),
    }
    return _layers(torch, stem=_layers(torch, **stem), **stages, **read_out)


def _vector(torch, names, values):
    """All ``values`` as one vector, in the order of the names that they have in jnn, each in jnn's
    layout.
    """
    kinds = {"weight": "scale", "bias": "bias", "running_mean": "mean", "running_var": "variance"}
    leaves = {}
    for name, value in zip(names, values, strict=True):
        *path, leaf = name.split(".")
        matrix = value.ndim > 1
        leaves[*path, "kernel" if matrix else kinds[leaf]] = (
            value.permute(*range(2, value.ndim), 1, 0) if matrix else value
        )
    return torch.cat([leaves[name].flatten() for name in sorted(leaves)]).detach().numpy()


def _half(torch, rng, shape, mean, deviation):
    return torch.tensor((mean + deviation * rng.normal(size=shape)).astype(np.float16)).double()


def _case(*settings, size):
    def case(torch, rng):
        model, images = _resnet(torch, *settings), _half(torch, rng, (4, 3, size, size), 0, 1)
        weights = torch.tensor(rng.normal(size=(4, 3)))
        for p in model.parameters():
            mean, deviation = (0, (2 * p.shape[1] / p.numel()) ** 0.5) if p.ndim > 1 else (0.7, 0.3)
            p.data = _half(torch, rng, p.shape, mean, deviation)
        parameters = dict(model.named_parameters())
        running = {name: value for name, value in model.named_buffers() if "running" in name}

        y = model.train()(images)
        gradients = torch.autograd.grad((weights * y).sum(), parameters.values())
        return {
            "x": images.movedim(1, -1).numpy().astype(np.float16),
            "weights": weights,
            "params": _vector(torch, parameters, parameters.values()).astype(np.float16),
            "state": _vector(torch, running, running.values()),
            "gradient": _vector(torch, parameters, gradients)[::SAMPLED],
            "y in training": y,
            "y in evaluation": model.train(False)(images),
        }

    return case


CASES = {
    "resnet18": _case((2, 2, 2, 2), 2, False, False, size=16),
    "resnet50, small stem": _case((3, 4, 6, 3), 1, True, True, size=8),
}
