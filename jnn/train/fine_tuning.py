"""The settings of experiments that can begin with a pretrained model."""

import dataclasses

from jnn.errors import mistake
from jnn.interop.pretrained import Pretrained
from jnn.paths import check_expression
from jnn.train.config import TrainingConfig

LORA_PATHS = ".*attention/(query|value)/kernel"
"""The kernels that Hu et al. 2021, https://arxiv.org/abs/2106.09685, section 4.2, add to."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineTuningConfig(TrainingConfig):
    """A `TrainingConfig` for an experiment whose model may be a pretrained one.

    With ``lora``, weights of the pretrained model, or of the run that is begun with, are not
    trained, but low-rank additions to some of its kernels, and what is not from there, such as a
    new head.
    """

    pretrained: str = ""
    """The folder of a pretrained model to begin with: what --start FOLDER sets."""
    adapted_run: str = ""
    """The folder of a run that additions are made to: what --start RUN sets where --lora is
    given.
    """
    lora: int = 0
    """Rank of the additions to kernels of a pretrained model, or of a run, that are trained in its
    place; 0 trains all of it.
    """
    lora_paths: str = LORA_PATHS
    """Which kernels have such additions: a regular expression for whole paths."""
    frozen: str = ""
    """Params that are not trained: a regular expression for whole paths, such as 'blocks/.*'."""

    def __post_init__(self):
        """Refuse additions to no model, paths of no additions, and what is no expression."""
        super().__post_init__()
        self.require("lora", least=0)
        check_expression("config: lora_paths", self.lora_paths)
        check_expression("config: frozen", self.frozen)
        if self.lora and not self.pretrained and not self.adapted_run:
            remedy, got = "Give its folder by --start.", f"lora={self.lora}"
            raise mistake("config", got=got, expected="a model to begin with", remedy=remedy)
        if self.adapted_run and (self.pretrained or not self.lora):
            got = f"adapted_run={self.adapted_run!r}"
            raise mistake("config", got=got, expected="--start RUN and --lora RANK in its place")
        if self.lora_paths != LORA_PATHS and not self.lora:
            got = f"lora_paths={self.lora_paths!r}"
            raise mistake("config", got=got, expected="--lora RANK with it")

    def adapted(self, pretrained: Pretrained) -> Pretrained:
        """``pretrained``, with the low-rank additions that these settings ask for."""
        return pretrained.adapted(self.lora, self.lora_paths) if self.lora else pretrained

    @property
    def untrained(self) -> str:
        """A regular expression for the paths of params that are not trained; "" for none."""
        return self.frozen
