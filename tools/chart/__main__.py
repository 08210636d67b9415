"""Write what is generated in the chart: `python -m tools.chart`."""

import sys

from tools.chart.emit import main

sys.exit(main())
