"""Write the committed reference tables: ``python -m tests.references.write_tables [FAMILY ...]``
(needs torch==2.13.0).
"""

import importlib
import pathlib
import sys

import numpy as np

from tests.references import TABLE_SEED, TABLES, from_torch


def main(families):
    here = pathlib.Path(__file__).parent
    for family in families or sorted(
        path.stem.removeprefix("cases_") for path in here.glob("cases_*.py")
    ):
        cases = importlib.import_module(f"tests.references.cases_{family}").CASES
        arrays = {
            f"{name}/{key}": value
            for name in cases
            for key, value in from_torch(family, name, TABLE_SEED).items()
        }
        TABLES.mkdir(exist_ok=True)
        np.savez_compressed(TABLES / f"{family}.npz", **arrays)
        print(
            f"{family}: {len(cases)} cases, {sum(value.nbytes for value in arrays.values()):,} "
            "bytes of numbers"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
