"""Architectures: a frozen config dataclass and one function from it to a `jnn.Model`."""
