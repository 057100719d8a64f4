"""Plots of the inside of a model: activations, attention, gradients, saliency."""
