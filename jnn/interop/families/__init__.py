"""The families that there are maps for, by the ``model_type`` of ``config.json``."""

from jnn.interop.families import bert, encoder_decoder, gpt, llama, resnet, vgg, vision
from jnn.interop.families.family import Family

FAMILIES: dict[str, Family] = {
    family.name: family
    for module in (bert, encoder_decoder, gpt, llama, resnet, vgg, vision)
    for family in vars(module).values()
    if isinstance(family, Family)
}
