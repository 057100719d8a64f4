"""An LSTM autoencoder of PyTorch's layers: outputs, and gradients of ``sum(weights * y)``, in the
shapes of jnn's params.
"""

from tests.references.cases_recurrent import _in_jnn

LENGTH, FEATURES, WIDTH, LATENT = 5, 2, 4, 3


def autoencoder(torch, rng):
    """The last element is written first."""
    nn = torch.nn
    halves = {
        "encoder": (nn.LSTM(FEATURES, WIDTH, batch_first=True), nn.Linear(WIDTH, LATENT)),
        "decoder": (nn.LSTM(LATENT, WIDTH, batch_first=True), nn.Linear(WIDTH, FEATURES)),
    }
    x = torch.tensor(rng.standard_normal((3, LENGTH, FEATURES)))
    (read, to_code), (write, out) = halves["encoder"], halves["decoder"]
    code = to_code(read(x)[1][0][0])
    y = out(write(code[:, None].expand(-1, LENGTH, -1))[0]).flip(1)
    weights = torch.tensor(rng.standard_normal(y.shape))
    (weights * y).sum().backward()
    arrays = {"x": x, "weights": weights, "code": code, "y": y}
    for half, (lstm, linear) in halves.items():
        for group, found in _in_jnn(torch, lstm, "_l0").items():
            arrays |= {f"{group}/{half}/lstm/{name}": value for name, value in found.items()}
        for group, of in (("params", lambda p: p), ("gradient", lambda p: p.grad)):
            arrays |= {
                f"{group}/{half}/out/kernel": of(linear.weight).T,
                f"{group}/{half}/out/bias": of(linear.bias),
            }
    return arrays


CASES = {"autoencoder": autoencoder}
