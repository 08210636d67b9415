import json
import os
import urllib.request

events = [
    {"subscriber": "acme", "type": "order.paid", "data": {"order": number}} for number in range(3)
]
request = urllib.request.Request(
    os.environ["HOOKLANE_URL"] + "/v1/events/batch",
    data=json.dumps(events).encode(),
    headers={
        "authorization": "Bearer " + os.environ["HOOKLANE_KEY"],
        "content-type": "application/json",
        "idempotency-key": "nightly-2026-11-25",
    },
)
with urllib.request.urlopen(request, timeout=30) as answer:
    for item in json.load(answer)["items"]:
        if item["status"] != 202:
            print("refused:", item["index"], item["code"], item["detail"])
        else:
            print("accepted:", item["index"], item["id"])
