"""Normalization by PyTorch, channels last: inputs, outputs, and gradients of
``sum(weights * y)``.
"""


def _normal(torch, rng, *shape):
    return torch.tensor(rng.normal(size=shape))


def _channels_first(layer, x):
    return layer(x.movedim(-1, 1)).movedim(1, -1)


def _normalization(make, *shape):
    """One layer with its own scale and bias, on x off its mean by one."""

    def case(torch, rng):
        layer, x, weights = (
            make(torch),
            (1 + 2 * _normal(torch, rng, *shape)).requires_grad_(),
            _normal(torch, rng, *shape),
        )
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(_normal(torch, rng, *parameter.shape))
        y = (
            layer(x)
            if "LayerNorm" in str(layer) or "RMSNorm" in str(layer)
            else _channels_first(layer, x)
        )
        names = [{"weight": "scale", "bias": "bias"}[name] for name, _ in layer.named_parameters()]
        gradients = torch.autograd.grad((weights * y).sum(), [x, *layer.parameters()])
        return {
            "x": x,
            "weights": weights,
            "y": y,
            **{
                f"params/{name}": parameter
                for name, parameter in zip(names, layer.parameters(), strict=True)
            },
            **{
                f"gradient/{name}": gradient
                for name, gradient in zip(["x", *names], gradients, strict=True)
            },
        }

    return case


def batch_norm(torch, rng, steps=2):
    """Batches of sequences in training, with the running statistics after each, then one in
    evaluation.
    """
    layer = torch.nn.BatchNorm1d(3, momentum=0.2)
    with torch.no_grad():
        layer.weight.copy_(_normal(torch, rng, 3))
        layer.bias.copy_(_normal(torch, rng, 3))
    arrays = {"params/scale": layer.weight, "params/bias": layer.bias}
    for i in range(steps + 1):
        layer.train(i < steps)
        x, weights = (
            (i + 2 * _normal(torch, rng, 4, 5, 3)).requires_grad_(),
            _normal(torch, rng, 4, 5, 3),
        )
        y = _channels_first(layer, x)
        gradients = torch.autograd.grad((weights * y).sum(), [x, layer.weight, layer.bias])
        step = {
            "x": x,
            "weights": weights,
            "y": y,
            "mean": layer.running_mean.clone(),
            "variance": layer.running_var.clone(),
        }
        step |= {
            f"gradient/{name}": gradient
            for name, gradient in zip(["x", "scale", "bias"], gradients, strict=True)
        }
        arrays |= {f"{i}/{name}": value for name, value in step.items()}
    return arrays


def weight_norm(torch, rng):
    """A dense layer at a magnitude that is not its first one. PyTorch's weight is the transpose of
    the kernel.
    """
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(5, 4))
    magnitude, direction = (
        layer.parametrizations.weight.original0,
        layer.parametrizations.weight.original1,
    )
    with torch.no_grad():
        first = layer.weight.T.clone()
        first_magnitude = magnitude[:, 0].clone()
        magnitude.copy_(_normal(torch, rng, 4, 1))
    x, weights = _normal(torch, rng, 6, 5), _normal(torch, rng, 6, 4)
    y = layer(x)
    gradients = torch.autograd.grad((weights * y).sum(), [magnitude, direction, layer.bias])
    return {
        "kernel": first,
        "first_magnitude": first_magnitude,
        "magnitude": magnitude[:, 0],
        "direction": direction.T,
        "bias": layer.bias,
        "x": x,
        "weights": weights,
        "y": y,
        "gradient/magnitude": gradients[0][:, 0],
        "gradient/direction": gradients[1].T,
        "gradient/bias": gradients[2],
    }


def spectral_norm(torch, rng, steps=2):
    """Steps of gradient descent with a power iteration in each, then evaluation, whose vectors are
    those of the last step.
    """
    layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(5, 4, bias=False))
    weight, vectors = layer.parametrizations.weight.original, layer.parametrizations.weight[0]
    arrays = {"kernel": weight.T.clone(), "left": vectors._v.clone(), "right": vectors._u.clone()}
    for i in range(steps + 1):
        layer.train(i < steps)
        x, weights = _normal(torch, rng, 6, 5), _normal(torch, rng, 6, 4)
        y = layer(x)
        (gradient,) = torch.autograd.grad((weights * y).sum(), [weight])
        step = {
            "x": x,
            "weights": weights,
            "y": y,
            "gradient": gradient.T,
            "left": vectors._v.clone(),
            "right": vectors._u.clone(),
        }
        arrays |= {f"{i}/{name}": value for name, value in step.items()}
        with torch.no_grad():
            weight -= 0.1 * gradient
    return arrays


CASES = {
    "layer_norm": _normalization(lambda torch: torch.nn.LayerNorm(6), 2, 4, 6),
    "rms_norm": _normalization(lambda torch: torch.nn.RMSNorm(6, eps=1e-6), 2, 4, 6),
    "group_norm, image": _normalization(lambda torch: torch.nn.GroupNorm(2, 6), 2, 3, 3, 6),
    "group_norm, sequence": _normalization(lambda torch: torch.nn.GroupNorm(3, 6), 2, 5, 6),
    "group_norm, vector": _normalization(lambda torch: torch.nn.GroupNorm(2, 6), 5, 6),
    "instance_norm, image": _normalization(
        lambda torch: torch.nn.InstanceNorm2d(3, affine=True), 2, 3, 3, 3
    ),
    "instance_norm, sequence": _normalization(
        lambda torch: torch.nn.InstanceNorm1d(3, affine=True), 2, 5, 3
    ),
    "batch_norm": batch_norm,
    "weight_norm": weight_norm,
    "spectral_norm": spectral_norm,
}
