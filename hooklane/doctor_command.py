"""`hooklane doctor`: print what was found; exit 1 when something does not work."""

import asyncio
import json
import logging
import sys
from collections.abc import Mapping

from chassis.clock import SystemClock
from hooklane.doctor.examination import Wishes, examine
from hooklane.doctor.findings import has_failed, lines_of, rows_of
from hooklane.exits import FAILURE, OK
from hooklane.output import Form, Paint, has_color


def run_doctor(variables: Mapping[str, str], wishes: Wishes, form: Form) -> int:
    """Examine and report."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the findings say it in our words
    findings = asyncio.run(examine(variables, wishes, SystemClock()))
    if form == "json":
        print(json.dumps(rows_of(findings), indent=2))
    else:
        paint = Paint(is_on=has_color(sys.stdout, variables))
        print("\n".join(lines_of(findings, paint)))
    return FAILURE if has_failed(findings) else OK
