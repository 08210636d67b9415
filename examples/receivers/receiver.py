import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
done = set()  # in earnest: a table with a unique index on the id


class Hooks(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))  # raw bytes
        try:
            webhook.verify(body, dict(self.headers), json_parse=False)
        except (WebhookVerificationError, ValueError):
            self.answer(401)
            return
        webhook_id = self.headers["webhook-id"]
        if webhook_id not in done:  # a repeat has the same id
            data = json.loads(body) if body else None  # an event may have no data
            print(self.headers["ce-type"], data, flush=True)
            done.add(webhook_id)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "3000"))), Hooks).serve_forever()
