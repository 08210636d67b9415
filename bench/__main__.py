"""`python -m bench [NAME…]`: run all benchmarks, or those named."""

import sys

from bench.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
