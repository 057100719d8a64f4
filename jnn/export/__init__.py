"""A trained model for use without jnn: a folder with its weights, its program, and ten lines.

`export` writes ``model.safetensors``, ``model.stablehlo`` and ``predict.py``, and where asked for a
module of JavaScript and an ONNX file. Each is run, and compared with the model, before it is kept.
"""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "folder": ["export"],
        "program": ["Program", "program_of"],
    },
)
