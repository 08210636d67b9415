"""Keep events from going round: a delivery says how many times its event was delivered already.

A subscription whose URL is an ingest of hooklane (ours, or another installation's), directly or
behind something that passes requests on, would feed an event into the pipeline again and again. So
each delivery carries `webhook-hops`, an event that is made of a delivery keeps the number, and one
that was delivered too often is refused with the answer that ends the delivery for good.
"""

import re
from typing import Final

from gateway.problems import Code, FieldError, Problem, pointer_of

HOPS_HEADER: Final = "webhook-hops"
HOPS_MAX: Final = 1
"""One installation may feed another; whatever goes further goes round."""
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def parse_hops(value: str | None) -> int | Problem:
    """Read how many deliveries a request has behind it; 0 = it is no delivery of ours."""
    if value is None:
        return 0
    if _NUMBER.fullmatch(value) is None:
        return Problem(Code.INVALID_REQUEST, f"{HOPS_HEADER} is not a number from 1")
    if int(value) > HOPS_MAX:
        detail = f"the event was delivered {value} times already: a subscription leads back here"
        error = FieldError(pointer_of(HOPS_HEADER), detail)
        return Problem(Code.VALIDATION_FAILED, detail, (error,), ends_delivery=True)
    return int(value)
