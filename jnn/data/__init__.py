"""Data: where bytes come from, how they are split, and the batches of each step.

Import the module that is meant, as in ``from jnn.data import batches, images``; nothing is imported
here, so that the command line can list the sources without starting JAX.
"""
