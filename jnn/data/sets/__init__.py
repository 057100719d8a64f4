"""Data sets: one module for each kind, with a function ``load_NAME`` for each set."""
