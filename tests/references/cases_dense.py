"""PyTorch's linear layer, and a whole network of them."""


def linear(torch, rng):
    layer = torch.nn.Linear(5, 3)
    x = torch.tensor(rng.standard_normal((2, 4, 5)), requires_grad=True)
    y = layer(x)
    torch.sin(y).sum().backward()
    return {
        "x": x,
        "kernel": layer.weight.T,
        "bias": layer.bias,
        "y": y,
        "grad_x": x.grad,
        "grad_kernel": layer.weight.grad.T,
        "grad_bias": layer.bias.grad,
    }


def perceptron(torch, rng):
    """Two hidden layers, and the gradient of the mean cross entropy."""
    layers = [torch.nn.Linear(5, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 3)]
    x, label = torch.tensor(rng.standard_normal((6, 5))), torch.tensor(rng.integers(0, 3, 6))
    h = torch.relu(layers[1](torch.relu(layers[0](x))))
    loss = torch.nn.functional.cross_entropy(layers[2](h), label)
    loss.backward()
    arrays = {"x": x, "label": label, "loss": loss}
    for i, layer in enumerate(layers):
        arrays |= {
            f"kernel{i}": layer.weight.T,
            f"bias{i}": layer.bias,
            f"grad_kernel{i}": layer.weight.grad.T,
            f"grad_bias{i}": layer.bias.grad,
        }
    return arrays


CASES = {"linear": linear, "perceptron": perceptron}
