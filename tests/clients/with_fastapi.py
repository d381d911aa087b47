# /// script
# dependencies = ["fastapi", "httpx", "uvicorn"]
# ///
"""A service with one `Predictor` under Uvicorn; eight HTTP clients in threads get the bits of a
plain call.
"""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from fastlstm import LSTMSentimentClassifier, Predictor
from fastlstm.datasets import load_reviews


class Request(BaseModel):
    texts: list[str]


def service(path):
    app, predictor = FastAPI(), Predictor(path, n_jobs=1)

    @app.post("/predict")
    def predict(request: Request) -> list[dict[str, float]]:
        chances = predictor.predict_proba(request.texts).tolist()
        return [dict(zip(predictor.classes_.tolist(), row, strict=True)) for row in chances]

    return app


def main():
    train, test = load_reviews(split="train"), load_reviews(split="test")
    clf = LSTMSentimentClassifier(n_estimators=1, max_epochs=4, random_state=0)
    clf.fit(train.texts, train.labels).save("model.fastlstm")
    expected = clf.predict_proba(test.texts)
    assert clf.score(test.texts, test.labels) > 0.6

    door = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(service("model.fastlstm"), log_level="warning"))
    running = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    running.start()
    try:
        while not server.started and running.is_alive():
            time.sleep(0.05)

        def ask(at):
            with httpx.Client(base_url=f"http://127.0.0.1:{door.getsockname()[1]}") as client:
                answers = []
                for row in range(at, len(test.texts), 8):
                    reply = client.post("/predict", json={"texts": [test.texts[row]]})
                    answers += [list(reply.raise_for_status().json()[0].values())]
                return answers

        with ThreadPoolExecutor(8) as threads:
            for at, answers in enumerate(threads.map(ask, range(8))):
                np.testing.assert_array_equal(answers, expected[at::8])
        assert httpx.post(f"http://127.0.0.1:{door.getsockname()[1]}/predict").status_code == 422
    finally:
        server.should_exit = True
        running.join()


if __name__ == "__main__":
    main()
