"""Weights from other libraries and back: folders of Hugging Face's transformers."""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "classifiers": ["Classifier", "pretrained_classifier"],
        "folder": [
            "Architecture",
            "Description",
            "PretrainedModel",
            "architecture",
            "describe",
            "load",
            "save",
        ],
        "own": ["as_pretrained"],
        "pretrained": [
            "Pretrained",
            "pretrained_decoder",
            "pretrained_encoder",
            "pretrained_image_classifier",
            "pretrained_text_classifier",
        ],
        "trained": ["of_trained"],
    },
)
