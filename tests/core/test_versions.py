"""Versions of an array share memory only where nothing can notice."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

from fastlstm.core.versions import Ledger, Version


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
    version = Version(np.zeros((4, 3), np.float32))
    kept = []
    for number in range(6):
        version, _ = step(version, [number % 4], number + 1)
        kept.append((version.array[1:, ::-1], version.array.copy()))  # a view of it is enough
        version = version._replace()
    for view, expected in kept:
        assert np.array_equal(view, expected[1:, ::-1])


def test_two_drafts_of_a_version_share_nothing():
    version, _ = step(Version(np.zeros((4, 3), np.float32)), [0], 1)
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
    version, _ = step(Version(np.zeros((4, 3), np.float32)), [0], 1)
    version, _ = step(version, [1], 2)
    expected = version.array.copy()
    version.draft().array[:] = np.nan
    version, _ = step(version, [2], 3)
    expected[2] = 3
    assert np.array_equal(version.array, expected)


class FaultError(Exception):
    pass


def further(ledger, rows, value):
    """The next version of a ledger, in which some rows hold a value."""
    with ledger.draft() as (newer, arrays):
        newer.note(np.asarray(rows))
        for array in arrays:
            array[rows] = value
    return newer


def numbers(ledger):
    return [array[:, 0].tolist() for array in ledger.arrays]


def test_ledgers_change_one_memory():
    arrays = [np.zeros((4, 3)), np.ones((4, 2))]
    ledger = Ledger(arrays)
    for number in range(5):
        ledger = further(ledger, [number % 4], number + 2)
    assert numbers(ledger) == [[6, 3, 4, 5]] * 2
    assert all(one is other for one, other in zip(ledger.arrays, arrays, strict=True))


def test_ledgers_that_are_held_have_their_values_still():
    ledgers = [Ledger([np.zeros((4, 3))])]
    for number in range(4):
        ledgers.append(further(ledgers[-1], [number, (number + 1) % 4], number + 1))
    values = [[[0, 0, 0, 0]], [[1, 1, 0, 0]], [[1, 2, 2, 0]], [[1, 2, 3, 3]], [[4, 2, 3, 4]]]
    assert [numbers(ledger) for ledger in ledgers] == values
    # From each of them another way goes on, and none sees the others.
    others = [further(ledger, [3], 9) for ledger in ledgers]
    assert [numbers(ledger) for ledger in ledgers] == values
    assert [numbers(ledger) for ledger in others] == [[[*each[0][:3], 9]] for each in values]
    assert numbers(pickle.loads(pickle.dumps(ledgers[1]))) == values[1]
    assert numbers(copy.deepcopy(ledgers[1])) == values[1]


def test_a_ledger_does_not_keep_the_notes_of_all_that_came_after():
    first = ledger = Ledger([np.zeros((4, 3))])
    seen = []
    for number in range(5):
        ledger = further(ledger, [number % 4], number)
        seen.append(weakref.ref(ledger))
    assert numbers(first) == [[0, 0, 0, 0]]
    assert [ref() is None for ref in seen] == [True, True, True, True, False]


def test_a_ledger_stays_where_its_draft_fails():
    ledger = further(Ledger([np.zeros((4, 3))]), [1], 1)
    with pytest.raises(FaultError), ledger.draft() as (newer, (array,)):
        newer.note(np.array([1, 2]))
        array[[1, 2]] = np.nan
        raise FaultError
    assert numbers(ledger) == [[0, 1, 0, 0]]
    assert numbers(further(ledger, [3], 5)) == [[0, 1, 0, 5]]
    assert numbers(ledger) == [[0, 1, 0, 0]]


def test_what_a_draft_takes_back_is_as_before():
    ledger = further(Ledger([np.zeros((4, 3))]), [1], 1)
    with ledger.draft() as (newer, (array,)):
        newer.note(np.array([0]))
        array[0] = 7
        newer.undo()
    assert numbers(newer) == numbers(ledger) == [[0, 1, 0, 0]]
