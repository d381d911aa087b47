"""Downloads against a real HTTP server that misbehaves in the ways servers do."""

import hashlib
import re
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fastlstm.core.errors import DownloadError
from fastlstm.datasets import http as download_module
from fastlstm.datasets.http import download

CONTENT = bytes(range(256)) * 4096
CHECKSUM = ("sha256", hashlib.sha256(CONTENT).hexdigest())


class Handler(BaseHTTPRequestHandler):
    """Answers with the next of the server's plans, the last one from then on."""

    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        plan = server.plans.pop(0) if len(server.plans) > 1 else server.plans[0]
        plan(self)

    def log_message(self, *args):
        pass


def serve(content=CONTENT, *, ranges=True, stop_after=None, length=True, total=None, start=None):
    """Plan: send the content, or the range asked for, perhaps only the first bytes of it."""

    def plan(handler):
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        first = int(asked[1]) if asked and ranges else 0
        if first >= len(content):
            handler.send_error(416)
            return
        if start is not None and first:
            first = start
        handler.send_response(206 if asked and ranges else 200)
        if asked and ranges:
            last = len(content) - 1
            handler.send_header("Content-Range", f"bytes {first}-{last}/{total or len(content)}")
        if length:
            handler.send_header("Content-Length", str(len(content) - first))
        handler.end_headers()
        handler.wfile.write(content[first:][:stop_after])

    return plan


def answer(status, **headers):
    def plan(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return plan


def hang_up(handler):
    handler.close_connection = True


@contextmanager
def running(*plans):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.plans, server.ranges = list(plans), []
    server.url = f"http://127.0.0.1:{server.server_port}/data.bin"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def no_pauses_and_no_proxy(monkeypatch):
    monkeypatch.setattr(download_module, "_PAUSE_SECONDS", 0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "data.bin"


def part_of(path):
    return path.with_name("data.bin.part")


def test_fetches_once_and_reports_progress(path):
    seen = []
    with running(serve()) as server:
        options = {"checksum": CHECKSUM, "size": len(CONTENT), "timeout": 10}
        progress = lambda done, total: seen.append((done, total))  # noqa: E731
        assert download(server.url, path, progress=progress, **options) == path
        assert download(server.url, path, **options) == path
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("algorithm", ["md5", "sha256", "sha512"])
def test_checksum_algorithms_in_either_case(path, algorithm):
    digest = hashlib.new(algorithm, CONTENT).hexdigest().upper()
    with running(serve()) as server:
        download(server.url, path, checksum=(algorithm, digest))
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("length", [True, False])
def test_goes_on_after_dropped_connections(path, length):
    plans = [hang_up, serve(stop_after=1000, length=length), serve(stop_after=5000), serve()]
    with running(*plans) as server:
        download(server.url, path, checksum=CHECKSUM, size=len(CONTENT))
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, None, "bytes=1000-", "bytes=6000-"]


def test_goes_on_in_a_later_call(path):
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT[:700])
    with running(serve()) as server:
        download(server.url, path, checksum=CHECKSUM)
    assert path.read_bytes() == CONTENT
    assert server.ranges == ["bytes=700-"]


def test_a_whole_part_file_needs_no_server(path):
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT)
    download("http://127.0.0.1:9/data.bin", path, checksum=CHECKSUM)
    assert path.read_bytes() == CONTENT
    assert not part_of(path).exists()


@pytest.mark.parametrize(
    ("plans", "ranges"),
    [
        ([serve(ranges=False)], ["bytes=700-"]),
        ([serve(start=300), serve()], ["bytes=700-", None]),
        ([serve(start=0)], ["bytes=700-"]),
        ([answer(416), serve()], ["bytes=700-", None]),
    ],
)
def test_starts_again_where_the_server_cannot_go_on(path, plans, ranges):
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT[:700])
    with running(*plans) as server:
        download(server.url, path, checksum=CHECKSUM)
    assert path.read_bytes() == CONTENT
    assert server.ranges == ranges


def test_a_part_file_that_is_too_long_is_fetched_afresh(path):
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT + b"more")
    with running(serve()) as server:
        download(server.url, path, checksum=CHECKSUM, size=len(CONTENT))
    assert path.read_bytes() == CONTENT


def test_gives_up_after_some_drops_and_keeps_what_came(path):
    with running(serve(stop_after=100)) as server, pytest.raises(DownloadError) as error:
        download(server.url, path, checksum=CHECKSUM)
    assert len(server.ranges) == 5
    assert part_of(path).read_bytes() == CONTENT[:500]
    assert not path.exists()
    for words in (server.url, str(path), "by hand", "500 of 1048576 bytes", "go on from where"):
        assert words in str(error.value)


def test_a_server_that_stops_sending(path, monkeypatch):
    monkeypatch.setattr(download_module, "_ATTEMPTS", 2)
    release = threading.Event()

    def stall(handler):
        serve(stop_after=100)(handler)
        release.wait(10)

    with running(stall) as server:
        try:
            with pytest.raises(DownloadError, match="broke off 2 times.*timed out"):
                download(server.url, path, checksum=CHECKSUM, timeout=0.3)
        finally:
            release.set()
    assert part_of(path).read_bytes() == CONTENT[:200]


def test_wrong_bytes_are_deleted(path):
    with running(serve(CONTENT[::-1])) as server, pytest.raises(DownloadError) as error:
        download(server.url, path, checksum=CHECKSUM, size=len(CONTENT))
    assert list(path.parent.iterdir()) == []
    for words in (server.url, CHECKSUM[1], hashlib.sha256(CONTENT[::-1]).hexdigest(), str(path)):
        assert words in str(error.value)


def test_another_size_is_refused_unread_and_keeps_the_part_file(path):
    path.parent.mkdir()
    part_of(path).write_bytes(CONTENT[:700])
    with (
        running(serve(b"<html>please log in</html>" * 100, ranges=False)) as server,
        pytest.raises(DownloadError, match="offers 2600 bytes, the published file has 1048576"),
    ):
        download(server.url, path, checksum=CHECKSUM, size=len(CONTENT))
    assert part_of(path).read_bytes() == CONTENT[:700]


def test_an_endless_answer_is_cut_off(path):
    with (
        running(serve(CONTENT + b"more", length=False)) as server,
        pytest.raises(DownloadError, match="more than the 1048576 bytes"),
    ):
        download(server.url, path, checksum=CHECKSUM, size=len(CONTENT))
    assert not path.exists()


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (answer(404), "404 Not Found"),
        (answer(503), "503"),
        (answer(416), "416"),
        (answer(204), "204"),
        (answer(206), "unusable Content-Range"),
        (answer(302, Location="ftp://127.0.0.1/data.bin"), "unknown url type: ftp"),
        (answer(302, Location="file:///etc/hostname"), "302"),
        (lambda handler: handler.wfile.write(b"not http at all\r\n\r\n"), "not http"),
    ],
)
def test_answers_that_cannot_be_used(path, plan, reason):
    with running(plan) as server, pytest.raises(DownloadError) as error:
        download(server.url, path, checksum=CHECKSUM)
    assert len(server.ranges) == 1
    assert not path.exists()
    for words in (reason, f"fetch {server.url} by hand", f"put it at {path}"):
        assert words in str(error.value)


def test_redirects_are_followed(path):
    with running(serve()) as target, running(answer(302, Location=target.url)) as server:
        download(server.url, path, checksum=CHECKSUM)
    assert path.read_bytes() == CONTENT


def test_nobody_listens(path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/data.bin"
        with pytest.raises(DownloadError) as error:
            download(url, path, checksum=CHECKSUM)
    for words in ("refused", "offline", f"fetch {url} by hand", f"put it at {path}"):
        assert words in str(error.value)


def test_nobody_answers(path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/data.bin"
        with pytest.raises(DownloadError, match="timed out"):
            download(url, path, checksum=CHECKSUM, timeout=0.05)


def test_another_file_in_its_place_is_left_alone(path):
    path.parent.mkdir()
    path.write_bytes(b"mine")
    with pytest.raises(DownloadError, match=f"{re.escape(str(path))} is not the.*Delete it"):
        download("http://127.0.0.1:9/data.bin", path, checksum=CHECKSUM)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a", "data:,a", "a.bin"])
def test_only_http(path, url):
    with pytest.raises(ValueError, match="url must start with http:// or https://"):
        download(url, path, checksum=CHECKSUM)


@pytest.mark.parametrize("url", ["http://127.0.0.1:port/", "http://", "http://127.0.0.1/a b"])
def test_urls_that_lead_nowhere(path, url):
    with pytest.raises(DownloadError, match="could not download"):
        download(url, path, checksum=CHECKSUM)
