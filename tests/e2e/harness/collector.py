"""A small OTLP/HTTP receiver: keeps the spans and metrics it is sent; can be told to refuse or to be slow."""

import http.server
import json
import threading


class Collector:
    def __init__(self, port=0):
        self.spans, self.metrics, self.requests = [], {}, []  # requests: (path, headers)
        self.answer = None  # a function(path) -> status, for other than 200
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append((self.path, dict(self.headers)))
                status = outer.answer(self.path) if outer.answer else 200
                if status == 200:
                    outer.take(body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def take(self, body):
        for resource in body.get("resourceSpans", []):
            attributes = _attributes(resource["resource"])
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    self.spans.append(dict(span, attributes=_attributes(span), resource=attributes))
        for resource in body.get("resourceMetrics", []):
            for scope in resource["scopeMetrics"]:
                for metric in scope["metrics"]:
                    self.metrics[metric["name"]] = metric

    def named(self, name):
        return [span for span in list(self.spans) if span["name"] == name]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def _attributes(holder):
    return {a["key"]: next(iter(a["value"].values())) for a in holder.get("attributes", [])}
