"""Memory that is allocated once and reused by every minibatch."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

T = TypeVar("T")

# Bytes of a cache line and of the widest vector: no vector load crosses a line.
ALIGNMENT = 64


def aligned_empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Uninitialised C-contiguous array whose first element begins a cache line.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype

    Returns
    -------
    array : ndarray of that shape and dtype
    """
    return _aligned(np.empty, shape, dtype)


def aligned_zeros(shape: int | tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """As ``aligned_empty``, filled with 0.

    Of a large array, pages that nothing is written to take no memory.
    """
    return _aligned(np.zeros, shape, dtype)


def _aligned(
    make: Callable[..., np.ndarray], shape: int | tuple[int, ...], dtype: DTypeLike
) -> np.ndarray:
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    n_bytes = math.prod(shape) * dtype.itemsize
    raw = make(n_bytes + ALIGNMENT, dtype=np.uint8)
    # ``raw.ctypes.data`` takes as long as the allocation.
    first = -raw.__array_interface__["data"][0] % ALIGNMENT
    array: np.ndarray = raw[first : first + n_bytes].view(dtype).reshape(shape)
    return array


class Workspace:
    """Named scratch arrays that only ever grow, each aligned to cache lines.

    One workspace belongs to one thread at a time. An array obtained under
    a name is valid until the same name is asked for again.

    Attributes
    ----------
    n_bytes : int
        Bytes of all its arrays.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.n_bytes = 0
        self._buffers: dict[str, np.ndarray] = {}
        # What each name gave last, with the shape and dtype that it was asked for.
        self._latest: dict[str, tuple[tuple[int, ...], DTypeLike | None, np.ndarray]] = {}
        self._kept: dict[str, tuple[Hashable, object]] = {}

    def _keep(self, name: str, buffer: np.ndarray) -> np.ndarray:
        before = self._buffers.get(name)
        self.n_bytes += buffer.nbytes - (0 if before is None else before.nbytes)
        self._buffers[name] = buffer
        return buffer

    def array(self, name: str, *shape: int, dtype: DTypeLike | None = None) -> np.ndarray:
        """Uninitialised C-contiguous array of that shape."""
        latest = self._latest.get(name)
        if latest is not None and latest[0] == shape and latest[1] is dtype:
            return latest[2]
        element = self.dtype if dtype is None else np.dtype(dtype)
        size = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size or buffer.dtype != element:
            # A quarter more, so that slowly growing batches do not reallocate each time.
            buffer = self._keep(name, aligned_empty(size + size // 4, element))
        array = buffer[:size].reshape(shape)
        self._latest[name] = shape, dtype, array
        return array

    def zeros(self, name: str, *shape: int) -> np.ndarray:
        """As ``array``, filled with 0."""
        out = self.array(name, *shape)
        out.fill(0)
        return out

    def kept(self, name: str, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make()`` gave, as long as the name is asked for with the same key.

        For records of several arrays, each of which takes as long to ask for.
        """
        latest = self._kept.get(name)
        if latest is None or latest[0] != key:
            latest = self._kept[name] = key, make()
        return latest[1]  # type: ignore[return-value]

    def constant(self, name: str, length: int, value: int) -> np.ndarray:
        """1-D int32 array that holds ``value`` on first use; the user keeps it so."""
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size != length:
            buffer = self._keep(name, np.full(length, value, dtype=np.int32))
        return buffer


class WorkspacePool:
    """Workspaces that threads borrow and give back, each to one at a time.

    Parameters
    ----------
    dtype : dtype
    most_bytes : int or None
        A workspace that has grown beyond it is not kept.
    make : callable or None
        Makes another kind of workspace, which says its ``n_bytes``, too.
    """

    def __init__(
        self, dtype: DTypeLike, most_bytes: int | None = None,
        make: Callable[[], Any] | None = None,
    ) -> None:  # fmt: skip
        self.dtype = np.dtype(dtype)
        self.most_bytes = most_bytes
        self._make = make or (lambda: Workspace(self.dtype))
        self._spare: list[Any] = []

    def borrow(self) -> _Borrowed:
        """A workspace for a block; one in which the block failed is not used again."""
        return _Borrowed(self)


class _Borrowed:
    """One workspace of a pool, from the beginning of a block to its end."""

    def __init__(self, pool: WorkspacePool) -> None:
        self._pool = pool

    def __enter__(self) -> Any:
        try:
            self._work = self._pool._spare.pop()
        except IndexError:  # all are in use by other threads
            self._work = self._pool._make()
        return self._work

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        most_bytes = self._pool.most_bytes
        if kind is None and (most_bytes is None or self._work.n_bytes <= most_bytes):
            self._pool._spare.append(self._work)
