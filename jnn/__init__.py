"""jnn: neural networks as small records of pure functions that chain."""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "compose": ["chain", "parallel", "repeat", "residual"],
        "errors": ["JnnError"],
        "layers.activation": ["activation", "gated", "prelu"],
        "layers.attention": ["attention"],
        "layers.batch_normalization": ["batch_norm"],
        "layers.bidirectional": ["bidirectional"],
        "layers.convolution": ["conv", "conv_transpose", "depthwise_conv"],
        "layers.cross_attention": ["cross_attention"],
        "layers.dense": ["dense", "flatten"],
        "layers.dot_product": ["dot_product_attention"],
        "layers.dropout": ["alpha_dropout", "dropout", "gaussian_noise", "spatial_dropout", "stochastic_depth"],
        "layers.elman": ["elman"],
        "layers.embedding": ["attend", "embedding"],
        "layers.feed_forward": ["feed_forward"],
        "layers.gru": ["gru"],
        "layers.lstm": ["lstm"],
        "layers.mixture_of_experts": ["mixture_of_experts"],
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
        "layers.position_vectors": ["learned_positions", "sinusoidal_positions"],
        "layers.positions": ["Positions", "alibi", "relative_buckets", "rotary"],
        "layers.recurrent": ["recurrent"],
        "layers.weight_normalization": ["spectral_norm", "weight_norm"],
        "model": ["Model", "apply_child", "as_model", "child_key", "function", "identity", "init_child", "pointwise", "reader", "streams"],
        "tags": ["at_iteration", "capture", "intervene", "tag"],
        "transform": ["cast", "ensemble", "frozen", "path_mask", "remat", "reparameterized"],
        "wiring": ["wired"],
    },
)
