"""``python -m jnn`` is ``jnn``."""

import sys

from jnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
