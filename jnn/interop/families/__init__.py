"""The families that there are maps for, by the ``model_type`` of ``config.json``."""

from jnn.interop.families.family import Family
from jnn.interop.families.gpt2 import GPT2
from jnn.interop.families.llama import LLAMA

FAMILIES: dict[str, Family] = {family.name: family for family in (GPT2, LLAMA)}
