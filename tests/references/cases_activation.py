"""Activations by PyTorch: values and derivatives of functions of x, and layers with parameters."""


def _normal(torch, rng, *shape):
    return torch.tensor(rng.normal(size=shape))


def _function(name, **settings):
    """A function of x, with the gradient of ``sum(weights * y)``."""

    def case(torch, rng):
        x = (3 * _normal(torch, rng, 3, 4)).requires_grad_()
        y = getattr(torch.nn.functional, name)(x, **settings)
        weights = _normal(torch, rng, *y.shape)
        return {
            "x": x,
            "y": y,
            "weights": weights,
            "gradient": torch.autograd.grad((weights * y).sum(), x)[0],
        }

    return case


def prelu(torch, rng):
    x, weights, slope = (
        _normal(torch, rng, 5, 4).requires_grad_(),
        _normal(torch, rng, 5, 4),
        _normal(torch, rng, 4).requires_grad_(),
    )
    y = torch.nn.functional.prelu(x, slope)
    gradients = torch.autograd.grad((weights * y).sum(), [x, slope])
    return {
        "x": x,
        "slope": slope,
        "y": y,
        "weights": weights,
        "gradient/x": gradients[0],
        "gradient/slope": gradients[1],
    }


def _gated(activation):
    """Shazeer's gated layer, of two products of matrices."""

    def case(torch, rng):
        x, weights = _normal(torch, rng, 5, 3), _normal(torch, rng, 5, 4)
        gate, value = (
            _normal(torch, rng, 3, 4).requires_grad_(),
            _normal(torch, rng, 3, 4).requires_grad_(),
        )
        y = getattr(torch.nn.functional, activation)(x @ gate) * (x @ value)
        gradients = torch.autograd.grad((weights * y).sum(), [gate, value])
        return {
            "x": x,
            "gate": gate,
            "value": value,
            "y": y,
            "weights": weights,
            "gradient/gate": gradients[0],
            "gradient/value": gradients[1],
        }

    return case


FUNCTIONS = {
    "celu": _function("celu"),
    "elu": _function("elu"),
    "gelu": _function("gelu"),
    "gelu_tanh": _function("gelu", approximate="tanh"),
    "glu": _function("glu"),
    "hard_sigmoid": _function("hardsigmoid"),
    "hard_silu": _function("hardswish"),
    "hard_tanh": _function("hardtanh"),
    "leaky_relu": _function("leaky_relu"),
    "log_sigmoid": _function("logsigmoid"),
    "log_softmax": _function("log_softmax", dim=-1),
    "mish": _function("mish"),
    "relu": _function("relu"),
    "relu6": _function("relu6"),
    "selu": _function("selu"),
    "sigmoid": _function("sigmoid"),
    "silu": _function("silu"),
    "soft_sign": _function("softsign"),
    "softmax": _function("softmax", dim=-1),
    # PyTorch cuts to x above 20 unless told otherwise
    "softplus": _function("softplus", threshold=1000),
    "tanh": _function("tanh"),
}

CASES = FUNCTIONS | {
    "prelu": prelu,
    "gated silu": _gated("silu"),
    "gated gelu": _gated("gelu"),
    "gated sigmoid": _gated("sigmoid"),
}
