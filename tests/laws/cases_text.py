"""Architectures that read tokens, but for transformers, for the registry."""

from jnn.architectures.bag_of_ngrams import BagOfNgramsConfig, bag_of_ngrams
from jnn.architectures.rnn import RNNConfig, rnn
from jnn.architectures.seq2seq import Seq2SeqConfig, seq2seq
from jnn.architectures.text_cnn import TextCNNConfig, text_cnn
from tests.laws.case import Case
from tests.laws.transformers import PAIR, TOKENS

CASES = {
    "rnn": Case(
        rnn(
            RNNConfig(
                outputs=7, vocabulary=7, embedding=3, cell="lstm", width=3, depth=2, dropout=0.2
            )
        ),
        TOKENS,
        sequence=True,
    ),
    "text_cnn": Case(
        text_cnn(TextCNNConfig(outputs=2, vocabulary=7, embedding=3, channels=2)),
        TOKENS,
        sequence=True,
    ),
    "bag_of_ngrams": Case(
        bag_of_ngrams(BagOfNgramsConfig(outputs=2, vocabulary=7, buckets=16)), TOKENS, sequence=True
    ),
    "seq2seq": Case(
        seq2seq(Seq2SeqConfig(source_vocabulary=7, width=4, depth=1, heads=2, dropout=0.2)), PAIR
    ),
}
