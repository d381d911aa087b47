"""Answer requests with a saved model: python serve.py MODEL [PORT]"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fastlstm import Predictor

MOST_BYTES = 1_000_000


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):  # noqa: N802 (the name is the library's)
        """A JSON list of texts comes in, a list of {class: probability} goes out."""
        try:
            length = int(self.headers.get("Content-Length", 0))
            if not 0 < length <= MOST_BYTES:
                raise ValueError(f"send 1 to {MOST_BYTES} bytes")
            texts = json.loads(self.rfile.read(length))
            if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
                raise ValueError("send a list of strings")
        except (ValueError, RecursionError) as error:
            return self.answer(400, {"error": str(error)})
        chances = self.server.predictor.predict_proba(texts).tolist() if texts else []
        names = self.server.predictor.classes_.tolist()
        self.answer(200, [dict(zip(names, row, strict=True)) for row in chances])

    def answer(self, status, content):
        body = json.dumps(content, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def make_server(path, port):
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.predictor = Predictor(path, n_jobs=1)
    return server


if __name__ == "__main__":
    make_server(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8000).serve_forever()
