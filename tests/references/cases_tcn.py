"""A temporal convolutional network of PyTorch's layers: y, and gradients of ``sum(weights * y)``,
as jnn names and shapes its params.
"""

INPUTS, OUTPUTS, CHANNELS, KERNEL = 3, 2, (4, 4, 5), 3


def network(torch, rng):
    """Two convolutions a block with weight normalization, padded in front; dilations 1, 2, 4; a 1x1
    convolution where channels change.
    """
    nn, functional = torch.nn, torch.nn.functional
    widths = (INPUTS, *CHANNELS)
    blocks = []
    for i, (inputs, outputs) in enumerate(zip(widths, CHANNELS, strict=False)):
        both = [
            nn.Conv1d(channels, outputs, KERNEL, dilation=2**i) for channels in (inputs, outputs)
        ]
        shortcut = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None
        blocks.append(
            ([nn.utils.parametrizations.weight_norm(convolution) for convolution in both], shortcut)
        )
    out = nn.Linear(CHANNELS[-1], OUTPUTS)

    x = torch.tensor(rng.normal(size=(2, 20, INPUTS)))
    h = x.mT
    for i, (convolutions, shortcut) in enumerate(blocks):
        before = h
        for convolution in convolutions:
            h = torch.relu(convolution(functional.pad(h, ((KERNEL - 1) * 2**i, 0))))
        h = torch.relu(h + (shortcut(before) if shortcut else before))
    y = out(h.mT)
    weights = torch.tensor(rng.normal(size=y.shape))
    (weights * y).sum().backward()

    arrays = {"x": x, "weights": weights, "y": y}
    for group, of in (("params", lambda p: p), ("gradient", lambda p: p.grad)):
        arrays |= {f"{group}/out/kernel": of(out.weight).T, f"{group}/out/bias": of(out.bias)}
        for i, (convolutions, shortcut) in enumerate(blocks):
            for j, convolution in enumerate(convolutions):
                path, weight = (
                    f"{group}/block{i}/residual/body/{j}/conv",
                    convolution.parametrizations.weight,
                )
                arrays[f"{path}/kernel/magnitude"] = of(weight.original0).reshape(-1)
                arrays[f"{path}/kernel/direction"] = of(weight.original1).permute(2, 1, 0)
                arrays[f"{path}/bias"] = of(convolution.bias)
            if shortcut:
                path = f"{group}/block{i}/residual/shortcut"
                arrays |= {
                    f"{path}/kernel": of(shortcut.weight)[:, :, 0].T,
                    f"{path}/bias": of(shortcut.bias),
                }
    return arrays


CASES = {"network": network}
