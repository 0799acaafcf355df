"""Conversations of the API: apart from each other, bounded, under the server's ids."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from domains.shared.conversations import ConversationStore
from lepton_engine.errors import BusyError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def store(**options: object) -> ConversationStore[list[str]]:
    return ConversationStore(list, **options)  # type: ignore[arg-type]


def say(held: ConversationStore[list[str]], session_id: str, text: str) -> tuple[str, list[str]]:
    with held.open(session_id) as (key, turns):
        turns.append(text)
        return key, list(turns)


def test_an_id_continues_its_conversation_and_no_other() -> None:
    held = store()
    first, _ = say(held, "", "my name is Ada")
    second, seen = say(held, "", "who am I?")
    assert seen == ["who am I?"]
    assert first != second
    assert say(held, first, "again") == (first, ["my name is Ada", "again"])


def test_ids_are_the_servers_and_have_128_bits() -> None:
    held = store()
    for guess in ("mine", "0" * 32, "\ud800", "../x"):
        key, seen = say(held, guess, "hello")
        assert key != guess
        assert len(bytes.fromhex(key)) == 16
        assert seen == ["hello"]
    assert len({say(held, "", "x")[0] for _ in range(200)}) == 200


def test_silence_ends_a_conversation() -> None:
    clock = Clock()
    held = store(idle_s=1800.0, clock=clock)
    key, _ = say(held, "", "one")
    clock.now = 1799.0
    assert say(held, key, "two")[1] == ["one", "two"]
    clock.now += 1801.0
    renewed, seen = say(held, key, "three")
    assert renewed != key
    assert seen == ["three"]
    assert len(held) == 1


def test_the_least_used_goes_first_when_it_is_full() -> None:
    held = store(limit=3)
    keys = [say(held, "", str(i))[0] for i in range(3)]
    say(held, keys[0], "used")
    say(held, "", "new")
    assert len(held) == 3
    assert say(held, keys[0], "x")[0] == keys[0]
    assert say(held, keys[1], "x")[0] != keys[1]


def test_two_calls_on_one_conversation_take_turns() -> None:
    held = store()
    key, _ = say(held, "", "0")
    most, inside, guard = 0, 0, threading.Lock()

    def work(i: int) -> None:
        nonlocal most, inside
        with held.open(key) as (_, turns):
            with guard:
                inside += 1
                most = max(most, inside)
            turns.append(str(i))
            threading.Event().wait(0.002)
            with guard:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(1, 25)))
    assert most == 1
    with held.open(key) as (_, turns):
        assert sorted(turns, key=int) == [str(i) for i in range(25)]


def test_waiting_too_long_is_a_sentence() -> None:
    held = store(wait_s=0.01)
    key, _ = say(held, "", "0")
    with (held.open(key), pytest.raises(BusyError, match="still answering an earlier message"),
          held.open(key)):
        pass


def test_an_error_inside_frees_the_conversation() -> None:
    held = store(wait_s=0.01)
    key, _ = say(held, "", "0")
    with pytest.raises(ZeroDivisionError), held.open(key):
        raise ZeroDivisionError
    assert say(held, key, "1")[1] == ["0", "1"]
