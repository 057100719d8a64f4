"""Every layer and architecture, one line each, in the modules ``cases_<family>.py``;
``test_laws.py`` checks all laws on all of them.
"""

import importlib
import pathlib

FAMILIES = sorted(path.stem for path in pathlib.Path(__file__).parent.glob("cases_*.py"))
CASES = {
    name: case
    for family in FAMILIES
    for name, case in importlib.import_module(f"tests.laws.{family}").CASES.items()
}
OF_ARCHITECTURES = ("architectures", "embedding_network", "sequence_autoencoder", "text")
ARCHITECTURES = {
    name
    for family in OF_ARCHITECTURES
    for name in importlib.import_module(f"tests.laws.cases_{family}").CASES
}
