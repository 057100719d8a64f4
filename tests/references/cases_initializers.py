"""What PyTorch takes for fans, and its initializers that draw nothing, with kernels transposed to
``(*window, in, out)``.
"""


def _kernel(weight):
    return weight.detach().permute(*range(2, weight.ndim), 1, 0).contiguous()


def _layer(make):
    def case(torch, rng):
        weight = make(torch.nn).weight
        fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(weight)
        return {"shape": list(_kernel(weight).shape), "fan_in": fan_in, "fan_out": fan_out}

    return case


def _dirac(*shape, groups=1):
    return lambda torch, rng: {
        "kernel": _kernel(torch.nn.init.dirac_(torch.empty(shape), groups)),
        "groups": groups,
    }


CASES = {
    "fans_dense": _layer(lambda nn: nn.Linear(150, 80)),
    "fans_conv1d": _layer(lambda nn: nn.Conv1d(40, 60, 5)),
    "fans_conv2d": _layer(lambda nn: nn.Conv2d(30, 40, (3, 5))),
    "fans_conv2d_groups": _layer(lambda nn: nn.Conv2d(60, 80, 3, groups=4)),
    "dirac_1d": _dirac(4, 3, 5),
    "dirac_2d": _dirac(3, 5, 3, 4),
    "dirac_3d": _dirac(2, 2, 3, 3, 3),
    "dirac_groups": _dirac(6, 2, 3, 3, groups=3),
    "identity": lambda torch, rng: {"kernel": _kernel(torch.nn.init.eye_(torch.empty(4, 3)))},
}
