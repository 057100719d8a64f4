"""Architectures, for the registry: smooth, where a difference quotient across the kink of a
rectifier would be no gradient.
"""

import jnn
from jnn.architectures.autoencoder import (
    ConvolutionalAutoencoderConfig,
    DenseAutoencoderConfig,
    convolutional_autoencoder,
    dense_autoencoder,
)
from jnn.architectures.cnn import CNNConfig, cnn
from jnn.architectures.detector import DetectorConfig, detector
from jnn.architectures.mlp import MLPConfig, mlp
from jnn.architectures.resnet import basic_block, bottleneck_block
from jnn.architectures.tcn import TCNConfig, tcn
from jnn.layers.pooling import global_average_pool
from tests.laws.case import Case, example
from tests.laws.generators import GENERATORS
from tests.laws.transformers import TRANSFORMERS

CASES = {
    "mlp": Case(
        mlp(MLPConfig(outputs=2, hidden=(4, 3), activation="tanh", dropout=0.2)), example(5)
    ),
    "cnn": Case(
        cnn(CNNConfig(outputs=2, channels=(3,), convolutions=1, activation="tanh", hidden=(4,))),
        example(6, 6, 1),
    ),
    "cnn, batch norm": Case(
        cnn(
            CNNConfig(
                outputs=2,
                channels=(4,),
                activation="gelu",
                normalization="batch",
                pooling="average",
                global_pooling=True,
                hidden=(),
            )
        ),
        example(6, 6, 2),
    ),
    "basic_block": Case(basic_block(3, 3, activation="tanh"), example(4, 4, 3)),
    "bottleneck_block": Case(
        jnn.chain(bottleneck_block(2, 2, strides=2, activation="tanh"), global_average_pool()),
        example(6, 6, 2),
    ),
    "detector": Case(
        detector(
            DetectorConfig(
                classes=2,
                channels=(3, 4),
                convolutions=(1, 1),
                stride=2,
                width=3,
                activation="tanh",
            )
        ),
        example(6, 5, 1),
    ),
    "dense_autoencoder": Case(
        dense_autoencoder(
            DenseAutoencoderConfig(shape=(3, 2), hidden=(5,), latent=2, activation="tanh")
        ),
        example(3, 2),
    ),
    "convolutional_autoencoder": Case(
        convolutional_autoencoder(
            ConvolutionalAutoencoderConfig(
                shape=(8, 8, 1), channels=(3, 4), latent=3, activation="tanh"
            )
        ),
        example(8, 8, 1),
    ),
    "tcn": Case(
        tcn(TCNConfig(outputs=2, channels=(3, 4), kernel_size=2, activation="tanh", dropout=0.2)),
        example(5, 3),
        sequence=True,
    ),
    **GENERATORS,
    **TRANSFORMERS,
}
