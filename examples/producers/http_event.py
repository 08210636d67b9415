import json
import os
import urllib.request

event = {
    "subscriber": "acme",
    "type": "order.paid",
    "id": "order-4711-paid",
    "source": "/shop",
    "ordering_key": "order-4711",
    "data": {"order": 4711, "amount": "42.00"},
}
request = urllib.request.Request(
    os.environ["HOOKLANE_URL"] + "/v1/events",
    data=json.dumps(event).encode(),
    headers={
        "authorization": "Bearer " + os.environ["HOOKLANE_KEY"],
        "content-type": "application/json",
    },
)
with urllib.request.urlopen(request, timeout=10) as answer:
    print(json.load(answer))
