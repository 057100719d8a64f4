"""Autoencoders of sequences, for the registry."""

from jnn.architectures.sequence_autoencoder import SequenceAutoencoderConfig, lstm_autoencoder
from tests.laws.case import Case, example

CASES = {
    "lstm_autoencoder": Case(
        lstm_autoencoder(SequenceAutoencoderConfig(length=4, features=2, width=3, latent=2)),
        example(4, 2),
    ),
}
