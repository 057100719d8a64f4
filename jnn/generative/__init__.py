"""Generative models of images: objectives, diffusion, and scores of what they generate."""
