"""Checkpoints: saved in the background, committed atomically, verified bit by bit when restored.

`manager` has `Checkpoints`, the only class a training loop needs. Behind it, `leaves` describes
and compares the arrays of a pytree, `manifest` is the JSON file that says what was saved, `storage`
reads and writes arrays by Orbax, and `background` is the thread that saves.
"""

from jnn._lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {"manager": ["Checkpoints", "Restored"]})
