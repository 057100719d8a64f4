"""``python -m jnn`` is ``jnn``."""

import sys

if __name__ == "__main__":
    try:
        from jnn.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # while that is imported
        print("interrupted", file=sys.stderr)
        sys.exit(130)
