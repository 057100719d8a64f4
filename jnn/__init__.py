"""jnn: neural networks as small records of pure functions that chain."""

from jnn.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "compose": ["chain", "parallel", "repeat", "residual"],
        "errors": ["JnnError"],
        "layers.activation": ["activation", "gated", "prelu"],
        "layers.batch_normalization": ["batch_norm"],
        "layers.convolution": ["conv", "conv_transpose", "depthwise_conv"],
        "layers.dense": ["dense", "flatten"],
        "layers.dropout": ["alpha_dropout", "dropout", "gaussian_noise", "spatial_dropout", "stochastic_depth"],
        "layers.embedding": ["attend", "embedding"],
        "layers.normalization": ["group_norm", "instance_norm", "layer_norm", "rms_norm"],
        "layers.pooling": [
            "adaptive_average_pool",
            "adaptive_max_pool",
            "average_pool",
            "global_average_pool",
            "global_max_pool",
            "max_pool",
            "upsample",
        ],
        "layers.weight_normalization": ["spectral_norm", "weight_norm"],
        "model": ["Model", "apply_child", "as_model", "child_key", "function", "identity", "init_child", "pointwise", "reader", "streams"],
        "tags": ["capture", "intervene", "tag"],
        "transform": ["cast", "ensemble", "frozen", "path_mask", "remat", "reparameterized"],
        "wiring": ["wired"],
    },
)
