"""What makes images, among the architectures of the registry: smooth, and with a label beside the
image.
"""

import numpy as np

from jnn.architectures.gan import GANConfig, discriminator, generator
from jnn.architectures.unet import DenoiserConfig, denoiser
from jnn.architectures.vae import VAEConfig, vae, vae_decoder
from tests.laws.case import Case, example

GAN = GANConfig(
    shape=(4, 4, 1),
    classes=3,
    noise=3,
    channels=(4,),
    features=3,
    groups=2,
    normalization="group",
    spectral=False,
    activation="tanh",
)
VAE = VAEConfig(shape=(4, 4, 1), classes=3, channels=(3,), hidden=4, latent=2, activation="tanh")
DENOISER = DenoiserConfig(
    shape=(4, 4, 1), classes=3, channels=(2, 4), patch=1, condition=4, groups=2
)
LABEL = np.array(1, np.int32)

GENERATORS = {
    "generator": Case(generator(GAN), {"noise": example(3), "label": LABEL}),
    "discriminator": Case(discriminator(GAN), {"image": example(4, 4, 1), "label": LABEL}),
    "vae": Case(vae(VAE), {"image": example(4, 4, 1), "label": LABEL}),
    "vae_decoder": Case(vae_decoder(VAE), {"code": example(2), "label": LABEL}),
    "denoiser": Case(
        denoiser(DENOISER), {"image": example(4, 4, 1), "time": np.float32(0.3), "label": LABEL}
    ),
}
