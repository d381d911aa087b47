"""Answer requests with a saved model: python serve.py MODEL [PORT]"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fastlstm import Predictor

MOST_BYTES = 1_000_000


class Handler(BaseHTTPRequestHandler):
    predictor = None  # set by ``server``

    def do_POST(self):  # noqa: N802 (the name is the library's)
        try:
            length = int(self.headers.get("Content-Length", 0))
            if not 0 < length <= MOST_BYTES:
                raise ValueError(f"send 1 to {MOST_BYTES} bytes")
            texts = json.loads(self.rfile.read(length))["texts"]
            if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
                raise ValueError("texts is not a list of strings")
            chances = self.predictor.predict_proba(texts) if texts else []
        except (ValueError, KeyError, TypeError) as error:
            return self.answer(400, {"error": str(error)})
        names = self.predictor.classes_.tolist()
        self.answer(200, [dict(zip(names, map(float, row), strict=True)) for row in chances])

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def server(path, port):
    Handler.predictor = Predictor(path, n_jobs=1)
    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    server(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8000).serve_forever()
