"""What a layer is, told by its params and its operations: a word for a diagram."""

from collections.abc import Mapping, Sequence

from jnn.explain.diagrams.tracing import Operation

_MOVES = {
    "broadcast_in_dim",
    "convert_element_type",
    "name",
    "pad",
    "reshape",
    "slice",
    "squeeze",
    "transpose",
}
"""Operations that move values, or change how they are stored."""
_FUNCTIONS = {
    "celu": "CELU",
    "elu": "ELU",
    "erf": "GELU",
    "erfc": "GELU",
    "gelu": "GELU",
    "hard_swish": "hard swish",
    "leaky_relu": "leaky ReLU",
    "log_softmax": "log-softmax",
    "logistic": "sigmoid",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "selu": "SELU",
    "sigmoid": "sigmoid",
    "silu": "SiLU",
    "softmax": "softmax",
    "softplus": "softplus",
    "tanh": "tanh",
}
_POOLING = {"ge", "reduce_max", "reduce_sum", "reduce_window_max", "reduce_window_sum", "max"}


def kind_of(params: Mapping[str, tuple[int, ...]], operations: Sequence[Operation]) -> str:
    """The word for a layer with params of these shapes; empty where none is sure.

    ``params`` are by their names within the layer.
    """
    tags = {operation.tag for operation in operations}
    kinds = [operation.kind for operation in operations if operation.kind not in _MOVES]
    names = {name.rpartition("/")[2] for name in params}
    if params:
        return _with_params(names, tags, operations, set(kinds))
    if all(operation.kind == "name" for operation in operations):
        return "identity"
    if not kinds:
        return "flatten" if len(operations[-1].outputs[0].shape) == 1 else "reshape"
    if "rsqrt" in kinds:
        return "normalization"
    return _function(kinds) or _pooling(operations, set(kinds))


def _with_params(
    names: set[str], tags: set[str], operations: Sequence[Operation], kinds: set[str]
) -> str:
    if "weights" in tags or {"query", "key", "value"} & tags:
        return "attention"
    if "cell" in tags:
        return "LSTM"
    if "reset_gate" in tags:
        return "GRU"
    if "hidden" in tags:
        return "recurrent"
    if "embedding" in names:
        return "embedding"
    if windows := [window for operation in operations if (window := _window(operation))]:
        window = " × ".join(map(str, windows[0]))
        return f"{window} convolution" if len(windows[0]) > 1 else f"convolution over {window}"
    if "dot_general" in kinds:
        return "dense" if "kernel" in names else "product"
    if "rsqrt" in kinds:
        return "normalization"
    return ""


def _window(operation: Operation) -> tuple[int, ...]:
    """The window of a convolution; empty for other operations."""
    if operation.kind == "convolution":  # of jnn: (members, *window, inputs, outputs)
        return operation.inputs[1].shape[1:-2]
    if operation.kind == "conv_general_dilated":  # (outputs, inputs, *window)
        return operation.inputs[1].shape[2:]
    return ()


def _function(kinds: list[str]) -> str:
    """The name of an activation function."""
    primitives = set(kinds)
    if {"exp", "div"} <= primitives and "reduce_sum" in primitives:
        return "softmax"
    if {"tanh", "integer_pow"} <= primitives:
        return "GELU"
    if primitives == {"logistic", "mul"}:
        return "SiLU"
    named = [_FUNCTIONS[kind] for kind in kinds if kind in _FUNCTIONS]
    return named[0] if len(named) == 1 and len(primitives) <= 5 else ""


def _pooling(operations: Sequence[Operation], kinds: set[str]) -> str:
    """Pooling makes fewer values of the same features."""
    arrays = [array for operation in operations for array in operation.inputs]
    before, after = arrays[:1], operations[-1].outputs[0].shape
    shrinks = any(
        len(array.shape) >= len(after) > 0 and array.shape != after and array.shape[-1] == after[-1]
        for array in before
    )
    return "pooling" if shrinks and kinds & _POOLING else ""
