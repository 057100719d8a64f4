"""Decoding: sampling, streaming and beam search, with any model that streams."""
