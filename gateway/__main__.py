"""`python -m gateway`."""

import sys

from gateway.service import main

if __name__ == "__main__":
    sys.exit(main())
