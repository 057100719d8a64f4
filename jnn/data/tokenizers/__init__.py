"""Text to tokens and back: by character, by word, and by byte pairs; or as a pretrained model
has them.

A token is an integer in [0, vocabulary). Every function that makes a tokenizer returns the record
`Tokenizer`, which is saved with a run.
"""

from jnn.data.tokenizers.byte_pairs import (
    byte_pair_tokenizer,
    decode_bytes,
    encode_bytes,
    read_byte_pairs,
    token_bytes,
)
from jnn.data.tokenizers.characters import character_tokenizer
from jnn.data.tokenizers.found import find_tokenizer
from jnn.data.tokenizers.pretrained import read_pretrained_tokenizer
from jnn.data.tokenizers.record import Tokenizer, check_same_tokenizer
from jnn.data.tokenizers.saved import from_json, keep_tokenizer, read_tokenizer, write_tokenizer
from jnn.data.tokenizers.words import split_words, word_tokenizer

__all__ = [
    "Tokenizer",
    "byte_pair_tokenizer",
    "character_tokenizer",
    "check_same_tokenizer",
    "decode_bytes",
    "encode_bytes",
    "find_tokenizer",
    "from_json",
    "keep_tokenizer",
    "read_byte_pairs",
    "read_pretrained_tokenizer",
    "read_tokenizer",
    "split_words",
    "token_bytes",
    "word_tokenizer",
    "write_tokenizer",
]
