"""Versions of an array share memory only where nothing can notice."""

from __future__ import annotations

import gc

import numpy as np

from fastlstm.core.versions import Version


def step(version, rows, value):
    """The next version, in which some rows hold a value, and the address of its memory."""
    draft = version.draft()
    draft.array[rows] = value
    return version.then(draft, np.asarray(rows)), draft.array.ctypes.data


def test_versions_hold_what_was_written_and_take_turns_in_two_memories():
    expected = np.arange(12.0).reshape(4, 3)
    version, places = Version(expected.copy()), []
    for number in range(10):
        rows = [number % 4, (number * 2 + 1) % 4]
        version, place = step(version, rows, number)
        expected[rows] = number
        places.append(place)
        assert np.array_equal(version.array, expected)
        assert version.array.flags.c_contiguous and version.array.flags.writeable
    assert len(set(places)) == 2
    assert places[2:] == places[:-2]


def test_a_version_that_is_looked_at_stays():
    version = Version.zeros((4, 3), np.dtype(np.float32))
    kept = []
    for number in range(6):
        version, _ = step(version, [number % 4], number + 1)
        kept.append((version.array[1:, ::-1], version.array.copy()))  # a view of it is enough
        version = version._replace()
    for view, expected in kept:
        assert np.array_equal(view, expected[1:, ::-1])


def test_two_drafts_of_a_version_share_nothing():
    version, _ = step(Version.zeros((4, 3), np.dtype(np.float32)), [0], 1)
    drafts = [version.draft() for _ in range(3)]
    for number, draft in enumerate(drafts):
        draft.array[1] = number
    assert [draft.array[1, 0] for draft in drafts] == [0, 1, 2]
    one, other = (version.then(draft, np.array([1])) for draft in drafts[:2])
    del drafts, draft
    gc.collect()
    # Both could take the memory of ``version``, were it not looked at; only one may.
    held = version.array
    ends = [step(each, [2], number + 5)[0] for number, each in enumerate((one, other))]
    assert [end.array[1, 0] for end in ends] == [0, 1]
    del version, held
    last = [step(end, [3], number)[0] for number, end in enumerate(ends)]
    assert [each.array[1:, 0].tolist() for each in last] == [[0, 5, 0], [1, 6, 1]]


def test_a_draft_that_is_thrown_away_leaves_no_trace():
    version, _ = step(Version.zeros((4, 3), np.dtype(np.float32)), [0], 1)
    version, _ = step(version, [1], 2)
    expected = version.array.copy()
    version.draft().array[:] = np.nan
    version, _ = step(version, [2], 3)
    expected[2] = 3
    assert np.array_equal(version.array, expected)
