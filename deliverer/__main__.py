"""`python -m deliverer`."""

import sys

from deliverer.service import main

if __name__ == "__main__":
    sys.exit(main())
