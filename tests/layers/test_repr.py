"""The name by which a model shows itself."""

import pytest

import jnn

MODELS = {
    "dense": jnn.dense(4),
    "embedding": jnn.embedding(9, 4),
    "conv": jnn.conv(4, (3,)),
    "depthwise_conv": jnn.depthwise_conv((3,)),
    "conv_transpose": jnn.conv_transpose(4, (3,)),
    "max_pool": jnn.max_pool((2,)),
    "average_pool": jnn.average_pool((2,)),
    "global_max_pool": jnn.global_max_pool(),
    "global_average_pool": jnn.global_average_pool(),
    "adaptive_max_pool": jnn.adaptive_max_pool((2,)),
    "adaptive_average_pool": jnn.adaptive_average_pool((2,)),
    "upsample": jnn.upsample((2,)),
    "dropout": jnn.dropout(0.5),
    "spatial_dropout": jnn.spatial_dropout(0.5, 2),
    "alpha_dropout": jnn.alpha_dropout(0.5),
    "gaussian_noise": jnn.gaussian_noise(0.5),
    "layer_norm": jnn.layer_norm(),
    "group_norm": jnn.group_norm(2, rank=2),
    "instance_norm": jnn.instance_norm(2),
    "attention": jnn.attention(2),
    "cross_attention": jnn.cross_attention(2),
    "learned_positions": jnn.learned_positions(8),
    "sinusoidal_positions": jnn.sinusoidal_positions(),
    "elman": jnn.elman(4),
    "lstm": jnn.lstm(4),
    "gru": jnn.gru(4),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_shown_by_the_name_of_the_function_that_made_it(name):
    assert repr(MODELS[name]).strip("<>").split()[1].rstrip(",") == name
