import os
import urllib.request

from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent

event = CloudEvent(
    {
        "id": "order-4713-paid",
        "source": "/shop",
        "type": "order.paid",
        "subscriber": "acme",
        "datacontenttype": "application/json",
    },
    {"order": 4713},
)
message = to_structured_event(event)
request = urllib.request.Request(
    os.environ["HOOKLANE_URL"] + "/v1/events",
    data=message.body,
    headers={**message.headers, "authorization": "Bearer " + os.environ["HOOKLANE_KEY"]},
)
with urllib.request.urlopen(request, timeout=10) as answer:
    print(answer.read().decode())
