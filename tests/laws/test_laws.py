"""The conformance suite: every law on every registered model."""

import pytest

from jnn.testing import LAWS, check_model
from tests.laws.registry import CASES


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", CASES)
def test_law(name, law):
    case = CASES[name]
    check_model(case.model, case.x, sequence=case.sequence, laws=[law])
