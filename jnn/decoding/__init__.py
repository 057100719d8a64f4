"""Decoding: token by token, with any model that has ``carry`` and ``step``.

`generate` has sampled continuations (``generate`` all at once, ``stream`` one token at a time),
`beam_search` the most probable ones, and `sampling` temperature, top-k, top-p, min-p and the
repetition penalty. `loop_invariants` moves out of the decoding loop what no token changes, and
`checks` refuses what cannot be continued.
"""
