"""Checkpoints: saved in the background, committed whole or not at all, verified bit by bit when
restored.
"""
