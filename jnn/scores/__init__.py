"""How good a model is, where it takes all answers at once to say so; what is watched in training is
in `jnn.metrics`.
"""
