"""The prompts and settings that are refused in `translation`."""

from pathlib import Path

import pytest

from experiments import translation as experiment
from jnn.decoding.generate import Request
from jnn.decoding.sampling import Sampling
from jnn.errors import JnnError


def test_heads_are_of_the_transformer():
    assert experiment.Config(model="transformer", heads=8).heads == 8
    with pytest.raises(JnnError, match="heads=8 for model='rnn', expected --model transformer"):
        experiment.Config(model="rnn", heads=8)


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_an_empty_prompt(prompt):
    request = Request(prompt=prompt, length=9, sampling=Sampling())
    with pytest.raises(
        JnnError, match=r"translation: got prompt='.*', expected an English sentence"
    ):
        next(experiment.generate(experiment.Config(smoke=True), Path("nowhere"), request))
