"""One file for one model: named arrays and JSON metadata under one checksum.

The file is a safetensors file: eight bytes with the length of the header, the header in
JSON, then the arrays' bytes. The header's ``__metadata__`` holds four strings:

``format``
    Always ``"fastlstm"``.
``format_version``
    A whole number from 1; see ``fastlstm.persist.migrations``.
``content``
    The model's metadata as JSON text.
``checksum``
    SHA-256 in lower-case hexadecimal digits over the whole file, these 64 digits
    themselves taken as the digit 0. It stands in the header as
    ``"checksum":"..."``, without spaces. It finds damage; it does not prove who wrote the file.

Nothing in the file is executed. A reader believes no size before it has compared it
with the size of the file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import re
import stat
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fastlstm.core.errors import ModelFormatError
from fastlstm.core.files import opener_like
from fastlstm.persist import migrations
from fastlstm.persist.migrations import Arrays, Metadata

FORMAT = "fastlstm"

# A vocabulary of a million words takes about 20 MB. The safetensors library itself
# stops at 100 MB.
MAX_HEADER_BYTES = 64 * 2**20

# What a model may hold. No booleans: a byte other than 0 and 1 has no meaning there.
_DTYPES: dict[str, np.dtype] = {
    "F16": np.dtype(np.float16),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
    "I8": np.dtype(np.int8),
    "I16": np.dtype(np.int16),
    "I32": np.dtype(np.int32),
    "I64": np.dtype(np.int64),
    "U8": np.dtype(np.uint8),
    "U16": np.dtype(np.uint16),
    "U32": np.dtype(np.uint32),
    "U64": np.dtype(np.uint64),
}
_MAX_NDIM = 64  # NumPy's own limit; also bounds the product of a hostile shape

_READ_AT_ONCE = 2**24

_NO_DIGITS = "0" * 64
_OTHER_FORMATS = (
    (b"PK\x03\x04", "a zip archive"),
    *((bytes([0x80, protocol]), "a pickle") for protocol in range(2, 6)),
)


class Readable(Protocol):
    """A binary file object to read from, as far as it is used."""

    def read(self, size: int, /) -> bytes | None: ...


class Writable(Protocol):
    """A binary file object to write to, as far as it is used."""

    def write(self, data: Any, /) -> int | None: ...


def shown(path: str | os.PathLike[str] | Readable | Writable) -> str:
    """A path or file object as messages name it."""
    if isinstance(path, (str, bytes, os.PathLike)):
        return os.fsdecode(path)
    name = getattr(path, "name", None)
    return f"the file object {name if isinstance(name, str) else type(path).__name__}"


def write_container(
    path: str | os.PathLike[str] | Writable, arrays: Arrays, metadata: Metadata
) -> None:
    """Write arrays and metadata to one file, whole or not at all.

    The bytes go to a temporary file beside the target, are flushed to disk, and take
    the target's name in one step. After an error the file that stood there before is
    unchanged. The same input gives the same bytes. A symbolic link stays a link, and
    the file it points to is replaced. Permissions are those of a new file.

    A file object gets the same bytes at its position. Nothing is written to it before all
    of them are known; what an error of its own then leaves there fails the checks of a
    reader.

    Parameters
    ----------
    path : str, path-like or binary file object
    arrays : dict of str to ndarray
        Float arrays of 16, 32 or 64 bits and integer arrays of 8 to 64 bits, of any
        shape, memory order and byte order.
    metadata : dict
        What JSON gives back unchanged: dicts with string keys, lists, strings, finite
        numbers, booleans and None.

    Raises
    ------
    ValueError
        An array has another dtype, or holds NaN or infinity; the metadata would not
        come back from JSON equal, or are too large.
    TypeError
        A name is not a string, a value is not an array, ``metadata`` is not a dict, or
        ``path`` is neither a path nor a file object that takes bytes.
    OSError
        The file cannot be written; the message names the path.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        _check_binary(path, "write", "wb")
        _write_parts(path, _encode(_check_arrays(arrays), _metadata_text(metadata)))
        return
    path = os.fsdecode(path)
    target = _check_target(path)
    parts = _encode(_check_arrays(arrays), _metadata_text(metadata))
    _replace_file(path, target, parts)


def read_container(path: str | os.PathLike[str] | Readable) -> tuple[Arrays, Metadata]:
    """Read and check a file that ``write_container`` wrote.

    Parameters
    ----------
    path : str, path-like or binary file object
        A file object is read from its position to its end; it need not be seekable.

    Returns
    -------
    arrays : dict of str to ndarray
        Ordered by name. Each array is writable, C-contiguous, in native byte order,
        and owns no part of another.
    metadata : dict
        Both as the current version of the format lays them out, whatever the
        version of the file.

    Raises
    ------
    ModelFormatError
        The file is not a fastlstm model, is damaged, has a version this release does
        not know, or holds NaN or infinity.
    OSError
        The file is not there (``FileNotFoundError``), is a folder
        (``IsADirectoryError``) or cannot be read.
    TypeError
        ``path`` is neither a path nor a file object that gives bytes.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        _check_binary(path, "read", "rb")
        try:
            return _read(path, None)
        except ModelFormatError as error:
            raise ModelFormatError(_named(shown(path), error)) from error
    path = os.fsdecode(path)
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a model file", path)
    if not stat.S_ISREG(mode):  # opening a pipe would wait for a writer
        raise ModelFormatError(
            f"{path!r} is not a regular file; to read a pipe, open it and pass the file object"
        )
    with open(path, "rb") as handle:
        try:
            return _read(handle, os.fstat(handle.fileno()).st_size)
        except ModelFormatError as error:
            raise ModelFormatError(_named(repr(path), error)) from error


def _named(path: str, error: ModelFormatError) -> str:
    """What is wrong with a file, most of which is said without its name."""
    said = str(error)
    return f"{path} {said}" if said.startswith(("is ", "changed ")) else f"{path}: {said}"


def _check_binary(file: object, method: str, mode: str) -> None:
    if not hasattr(file, method):
        raise TypeError(
            f"{file!r} is neither a path nor a file object with a method {method!r}; pass one of "
            "them"
        )
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"{shown(file)} is open for text; open it with mode {mode!r}")


# ---------------------------------------------------------------------------- writing


def _check_target(path: str) -> str:
    """The file to replace, links resolved."""
    target = os.path.realpath(path)
    if os.path.isdir(target) or not os.path.basename(path):
        raise IsADirectoryError(errno.EISDIR, "is a folder; pass the name of a file", path)
    if os.path.exists(target) and not os.path.isfile(target):
        # Replacing a device such as the null device would break the machine.
        raise OSError(errno.EINVAL, "is not a regular file; pass another name", path)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        message = f"the folder {folder!r} does not exist; create it before saving to"
        raise FileNotFoundError(errno.ENOENT, message, path)
    return target


def _check_arrays(arrays: Arrays) -> Arrays:
    """The arrays as the safetensors library needs them: native and C-contiguous."""
    checked = {}
    for name, array in arrays.items():
        if not isinstance(name, str):
            raise TypeError(f"array names must be strings, got {name!r}")
        if name == "__metadata__" or any("\ud800" <= c <= "\udfff" for c in name):
            raise ValueError(f"{name!r} cannot be the name of an array; choose another one")
        if not isinstance(array, np.ndarray):
            raise TypeError(f"array {name!r} is a {type(array).__name__}; pass a NumPy array")
        known = [dtype.name for dtype in _DTYPES.values()]
        if array.dtype.name not in known:
            raise ValueError(
                f"array {name!r} has dtype {array.dtype}, which a model file cannot hold; "
                f"convert it to one of {', '.join(known)}"
            )
        if not np.isfinite(array).all():
            raise ValueError(
                f"array {name!r} holds NaN or infinite values, so the model is not saved; "
                "fit again with a lower learning_rate"
            )
        checked[name] = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    return checked


def _metadata_text(metadata: Metadata) -> str:
    if not isinstance(metadata, dict):
        raise TypeError(f"metadata must be a dict, got {type(metadata).__name__}")
    try:
        text = json.dumps(
            metadata, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":")
        )
        # UTF-8 has no lone surrogates, which odd documents do contain; JSON escapes have.
        text = re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)
        same = json.loads(text) == metadata
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the metadata cannot be stored as JSON: {error}") from error
    if not same:
        raise ValueError(
            "the metadata would not come back from JSON as they are; use only dicts with "
            "string keys, lists (not tuples), strings, finite numbers, booleans and None"
        )
    return text


def _encode(arrays: Arrays, content: str) -> tuple[bytes, memoryview]:
    """The file's bytes in two parts: length and header, then the arrays."""
    packed = memoryview(save(arrays))
    start = 8 + int.from_bytes(packed[:8], "little")
    entries = json.loads(bytes(packed[8:start]))
    # The library writes the keys of the metadata in random order; the same model must
    # give the same bytes, so they enter its header here.
    fields = {
        "format": FORMAT,
        "format_version": str(migrations.CURRENT_VERSION),
        "content": content,
        "checksum": _NO_DIGITS,
    }
    header = json.dumps(
        {"__metadata__": fields, **entries}, ensure_ascii=False, separators=(",", ":")
    ).encode()
    header += b" " * (-len(header) % 8)  # keeps the arrays aligned, as the format asks
    if len(header) > MAX_HEADER_BYTES:
        raise ValueError(
            f"the metadata take {len(header)} bytes, more than the {MAX_HEADER_BYTES} a model "
            "file may have; lower max_features"
        )
    head = len(header).to_bytes(8, "little") + header
    data = packed[start:]
    digest = hashlib.sha256(head)
    digest.update(data)
    position = _digits_position(head, _NO_DIGITS)
    head = head[:position] + digest.hexdigest().encode() + head[position + 64 :]
    return head, data


def _replace_file(path: str, target: str, parts: tuple[bytes, memoryview]) -> None:
    folder = os.path.dirname(target)
    # Mode "x" creates the file or fails, with the permissions of the file it replaces, else
    # those the umask leaves. (The tempfile module would give 0600, and the umask cannot be
    # read without setting it for all threads.)
    temporary = os.path.join(folder, f".fastlstm-{os.urandom(8).hex()}.tmp")
    try:
        with open(temporary, "xb", opener=opener_like(target)) as handle:
            for part in parts:
                handle.write(part)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise OSError(error.errno, f"the model was not saved: {reason}", path) from error
        raise
    # The new name must survive a power cut too. Windows cannot open a folder, and some
    # network file systems cannot sync one; the model is saved all the same.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_parts(file: Writable, parts: tuple[bytes, memoryview]) -> None:
    for part in parts:
        left = memoryview(part)
        while left:
            written = file.write(left)
            if written == 0:
                raise OSError(errno.EIO, f"the model was not saved: {shown(file)} takes no bytes")
            # Raw files may take a part of the bytes; objects that return nothing take all.
            left = left[len(left) if written is None else written :]
    # Else an error such as a full disk would come once the model is thought to be safe.
    getattr(file, "flush", int)()


# ---------------------------------------------------------------------------- reading


def _read(handle: Readable, size: int | None) -> tuple[Arrays, Metadata]:
    """``size`` is that of the file, None where only reading tells."""
    head = _read_head(handle, size)
    header = _parse_json(head[8:], "header")
    if not isinstance(header, dict):
        raise ModelFormatError("is not a fastlstm model file")
    fields = header.pop("__metadata__", None)
    version, content, checksum = _check_fields(fields)
    n_data = _check_entries(header)
    position = _digits_position(head, checksum)
    if size is not None:
        _check_size(size - len(head), n_data)
        data = _read_up_to(handle, n_data, head)
        if len(data) != size:
            raise ModelFormatError("changed while it was read; try again")
    else:
        data = _read_up_to(handle, n_data + 1, head)  # one more would be too many
        _check_size(len(data) - len(head), n_data)
    _check_checksum(data, position, checksum)

    metadata = _parse_json(content, "content")
    if not isinstance(metadata, dict):
        raise ModelFormatError("is damaged: its content is not a JSON object")
    try:
        loaded = load(data)
    except (SafetensorError, ValueError) as error:
        raise ModelFormatError(f"is damaged: {error}") from error
    arrays = {name: loaded[name] for name in sorted(loaded)}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelFormatError(f"array {name!r} holds NaN or infinite values")
    return migrations.migrate(arrays, metadata, version)


def _read_up_to(handle: Readable, n: int, before: bytes = b"") -> bytes:
    """``before`` and the next ``n`` bytes, or as many as there are.

    Memory is taken for bytes that are there, not for those that a file claims to have.
    """
    buffer = io.BytesIO()
    buffer.write(before)
    while n:
        some = handle.read(min(n, _READ_AT_ONCE))
        if some is None:
            raise BlockingIOError(errno.EAGAIN, f"{shown(handle)} has no bytes yet; make it block")
        if not isinstance(some, (bytes, bytearray, memoryview)):
            raise TypeError(f"{shown(handle)} gives {type(some).__name__}; open it with mode 'rb'")
        if not some:
            break
        n -= buffer.write(some)
    return buffer.getvalue()


def _read_head(handle: Readable, size: int | None) -> bytes:
    """The eight bytes of the header's length, and the header."""
    start = _read_up_to(handle, 8)
    if not start:
        hint = "" if size is not None else "; if it was just written, call its seek(0) first"
        raise ModelFormatError(f"is empty, not a fastlstm model file{hint}")
    length = int.from_bytes(start, "little")
    whole = start
    if len(start) == 8 and length <= MAX_HEADER_BYTES and (size is None or length <= size - 8):
        whole = _read_up_to(handle, length, start)
        if len(whole) == 8 + length:
            return whole
    for beginning, name in _OTHER_FORMATS:
        if start.startswith(beginning):
            raise ModelFormatError(f"is {name}, not a fastlstm model file")
    # A text read as a number is far beyond the limit.
    if len(start) == 8 and length > MAX_HEADER_BYTES:
        raise ModelFormatError(
            "is not a fastlstm model file; pass a file that fastlstm train, or save in Python, "
            "wrote"
        )
    raise ModelFormatError(
        "is not a fastlstm model file, or was cut short; if it was one, copy it again"
    )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return result


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _parse_json(text: str | bytes, what: str) -> Any:
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_finite_number,
            parse_float=_finite_number,
        )
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(
            f"is damaged, or is not a fastlstm model file: its {what} is not valid JSON ({error})"
        ) from error


def _check_fields(fields: object) -> tuple[int, str, str]:
    """Version, content and checksum of a file that says it is ours."""
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ModelFormatError("is not a fastlstm model file, though it may be another model")
    version = fields.get("format_version")
    if not isinstance(version, str) or not re.fullmatch("[1-9][0-9]{0,8}", version):
        raise ModelFormatError(f"is damaged: its format version is {version!r}")
    # Before anything else is judged: a later version may differ in all the rest.
    migrations.check_version(int(version))
    content, checksum = fields.get("content"), fields.get("checksum")
    if not isinstance(content, str):
        raise ModelFormatError("is damaged: it has no content")
    if not isinstance(checksum, str) or not re.fullmatch("[0-9a-f]{64}", checksum):
        raise ModelFormatError("is damaged: it has no valid checksum; copy it again")
    return int(version), content, checksum


def _is_sizes(value: object) -> bool:
    # JSON's true is an int to isinstance.
    return isinstance(value, list) and all(type(size) is int and size >= 0 for size in value)


def _check_entries(entries: dict[str, Any]) -> int:
    """Bytes of data, once the arrays cover them exactly, one after the other."""
    ranges = []
    for name, entry in entries.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise ModelFormatError(f"is damaged: the entry of array {name!r}")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _DTYPES:
            raise ModelFormatError(f"is damaged: array {name!r} has the dtype {dtype!r}")
        if not _is_sizes(shape) or len(shape) > _MAX_NDIM:
            raise ModelFormatError(f"is damaged: the shape of array {name!r}")
        if not _is_sizes(offsets) or len(offsets) != 2:
            raise ModelFormatError(f"is damaged: the data offsets of array {name!r}")
        start, end = offsets
        if math.prod(shape) * _DTYPES[dtype].itemsize != end - start:
            raise ModelFormatError(f"is damaged: array {name!r} does not fit its data")
        ranges.append((start, end, name))
    position = 0
    for start, end, name in sorted(ranges):
        if start != position:
            raise ModelFormatError(f"is damaged: gap or overlap before array {name!r}")
        position = end
    return position


def _check_size(found: int, expected: int) -> None:
    """Compare the bytes of data with those of the arrays."""
    if found != expected:
        raise ModelFormatError(
            f"is damaged: {found} bytes of data where {expected} belong; copy it again"
        )


def _digits_position(head: bytes, checksum: str) -> int:
    """Where the digits of the checksum stand in the file."""
    # Within a JSON string the quotes would be escaped, so this finds the key alone.
    before = b'"checksum":"'
    position = head.find(before + checksum.encode() + b'"')
    if position < 0:
        raise ModelFormatError("is damaged: its checksum is not where it should be")
    return position + len(before)


def _check_checksum(data: bytes, position: int, checksum: str) -> None:
    view = memoryview(data)
    digest = hashlib.sha256(view[:position])
    digest.update(_NO_DIGITS.encode())
    digest.update(view[position + 64 :])
    if digest.hexdigest() != checksum:
        raise ModelFormatError("is damaged: its checksum does not match; copy it again")
