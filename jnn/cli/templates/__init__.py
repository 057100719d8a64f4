"""Experiments to start from, as ``jnn new FILE.py --data NAME`` copies them: one module each."""
