"""Generative models of images.

`objectives` makes adversarial networks, variational autoencoders and diffusion models ready to be
trained and sampled; `diffusion` has the schedules, targets and samplers of diffusion; `scores`
compares generated images with real ones; `samples` draws images, and keeps some during training.
The networks are in `jnn.architectures` (gan, vae, unet), the adversarial losses in
`jnn.losses.adversarial`, images without a network in `jnn.baselines.images`.
"""
