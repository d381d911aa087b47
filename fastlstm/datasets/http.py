"""Fetching one published file over HTTP, with resume and a checksum.

The file is written beside its target as ``NAME.part`` and moved into place only
once its checksum is right, so a file under its final name is always whole.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from fastlstm.core.errors import DownloadError

_ATTEMPTS = 5
_PAUSE_SECONDS = 1.0
_CHUNK_BYTES = 1 << 18


class _DroppedError(Exception):
    """The connection ended early: worth another attempt from where it stopped."""


class _RefusedError(Exception):
    """The server's answer cannot be used: another attempt would not help."""


def download(
    url: str,
    path: str | os.PathLike,
    *,
    checksum: tuple[str, str],
    size: int | None = None,
    timeout: float = 30.0,
    progress: Callable[[int, int | None], None] | None = None,
) -> Path:
    """Fetch ``url`` to ``path`` unless the right file is there already.

    A broken transfer leaves ``path`` + ``".part"`` behind, and the next call goes
    on from there. Two processes that fetch to the same path at once disturb each
    other; the checksum notices.

    Parameters
    ----------
    url : str
        An http or https address.
    path : path-like
        Where the file goes. Missing folders are made.
    checksum : (str, str)
        Algorithm (a name of :mod:`hashlib`) and hexadecimal digest.
    size : int, optional
        Published size in bytes. An answer of another size is refused before it
        is read.
    timeout : float
        Seconds to wait for the server to connect or to send anything.
    progress : callable, optional
        Called as ``progress(bytes_so_far, bytes_in_all_or_None)``.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    DownloadError
        If the file cannot be fetched, has the wrong checksum, or another file is
        in its place. The message says what to do.
    ValueError
        If ``url`` is not http or https.
    """
    path = Path(path)
    if urllib.parse.urlsplit(url).scheme.lower() not in ("http", "https"):
        raise ValueError(f"url must start with http:// or https://, got {url!r}")
    if path.exists():
        _check_in_place(path, checksum)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    # A run that stopped between the last byte and the move needs no network.
    if not (part.exists() and _digest(part, checksum[0]) == checksum[1].lower()):
        by_hand = f"fetch {url} by hand, put it at {path}"
        try:
            _fetch_with_retries(url, part, size, timeout, progress)
        except _DroppedError as error:
            raise DownloadError(
                f"the download of {url} broke off {_ATTEMPTS} times ({error}). Run this again to "
                f"go on from where it stopped, or {by_hand} and run this again"
            ) from error
        except _RefusedError as error:
            raise DownloadError(
                f"could not download {url} ({error}). If this machine is offline or behind a "
                f"proxy, {by_hand} and run this again"
            ) from error
        _check_part(part, url, path, checksum)
    os.replace(part, path)
    return path


def _check_in_place(path, checksum):
    found = _digest(path, checksum[0])
    if found != checksum[1].lower():
        raise DownloadError(
            f"{path} is not the published file: its {checksum[0]} is {found}, expected "
            f"{checksum[1]}. Delete it and run this again"
        )


def _check_part(part, url, path, checksum):
    found = _digest(part, checksum[0])
    if found == checksum[1].lower():
        return
    part.unlink()
    raise DownloadError(
        f"what {url} sent is not the published file: its {checksum[0]} is {found}, expected "
        f"{checksum[1]}. It was deleted. Run this again, or put the right file at {path}"
    )


def _digest(path, algorithm):
    digest = hashlib.new(algorithm)
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _fetch_with_retries(url, part, size, timeout, progress):
    opener = _http_opener()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _fetch(opener, url, part, size, timeout, progress)
            return
        except _DroppedError:
            if attempt == _ATTEMPTS:
                raise
            time.sleep(_PAUSE_SECONDS)


def _http_opener():
    # build_opener would also follow a redirect to ftp.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _fetch(opener, url, part, size, timeout, progress):
    """Make one attempt, going on from the bytes that ``part`` holds."""
    offset = part.stat().st_size if part.exists() else 0
    try:
        response = _open(opener, url, offset, timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and offset:
            part.unlink()
            raise _DroppedError("the server cannot go on from the unfinished file") from error
        raise _RefusedError(f"the server answered {error.code} {error.reason}") from error
    with response:
        start, total = _answered_range(response)
        if start not in (0, offset):
            part.unlink()
            raise _DroppedError(f"the server went on from byte {start} instead of {offset}")
        if size is not None and total not in (None, size):
            raise _RefusedError(f"the server offers {total} bytes, the published file has {size}")
        with open(part, "ab" if start else "wb") as stream:
            _copy(response, stream, start, total if total is not None else size, progress)


def _open(opener, url, offset, timeout):
    request = urllib.request.Request(url, headers={"User-Agent": "fastlstm"})
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        return opener.open(request, timeout=timeout)
    except urllib.error.HTTPError:
        raise
    except ConnectionError as error:
        # urllib wraps a failure to connect in URLError; this one came later.
        raise _DroppedError(_reason(error)) from error
    except (HTTPException, OSError) as error:
        raise _RefusedError(_reason(getattr(error, "reason", error))) from error


def _answered_range(response):
    """First byte and total size (None if unknown) of what the server will send."""
    if response.status == 206:
        header = response.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", header.strip())
        if match is None:
            raise _RefusedError(f"the server answered with an unusable Content-Range {header!r}")
        return int(match[1]), None if match[2] == "*" else int(match[2])
    if response.status != 200:
        raise _RefusedError(f"the server answered {response.status} {response.reason}")
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _copy(response, stream, done, total, progress):
    while True:
        try:
            # read would lose what it has gathered when the server goes silent.
            chunk = response.read1(_CHUNK_BYTES)
        except (HTTPException, OSError) as error:
            raise _DroppedError(_reason(error)) from error
        if not chunk:
            break
        stream.write(chunk)
        done += len(chunk)
        if total is not None and done > total:
            raise _RefusedError(f"the server sent more than the {total} bytes it should")
        if progress is not None:
            progress(done, total)
    # http.client reports an early end of the connection as an ordinary end.
    if total is not None and done < total:
        raise _DroppedError(f"the connection ended after {done} of {total} bytes")


def _reason(error):
    return str(error) or type(error).__name__
