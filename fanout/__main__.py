"""`python -m fanout`: run the fan-out until SIGTERM."""

import sys

from fanout.service import main

if __name__ == "__main__":
    sys.exit(main())
