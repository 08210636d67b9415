"""`python -m tools.dashboards` writes the dashboards of the chart."""

import sys

from tools.dashboards.emit import main

if __name__ == "__main__":
    sys.exit(main())
