"""Who gets which text back, for how long, and how much is kept at most."""

import asyncio
import logging
import os
import stat
import tempfile
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from only1mcp_context.results.spool import PREFIX, open_spool
from only1mcp_context.results.store import ALPHABET, LENGTH, Bounds, Store, open_store

LOGGER = logging.getLogger("test")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


def opened(
    bounds: Bounds | None = None, folder: Path | None = None, clock: Clock | None = None
) -> AbstractAsyncContextManager[Store]:
    return open_store(clock or Clock(), LOGGER, folder, bounds)


def put(store: Store, text: bytes, principal: str = "ada") -> str:
    handle = store.put(principal, text)
    assert handle is not None
    return handle


async def quiet(store: Store) -> None:
    while store._work:
        await asyncio.sleep(0)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_text_comes_back_to_whom_it_belongs_and_to_nobody_else() -> None:
    async with opened() as store:
        handle = put(store, b"text")
        assert await store.get("ada", handle) == b"text"
        assert await store.get("eve", handle) is None
        assert await store.get("ada", handle[:-1]) is None
        assert len(handle) == LENGTH
        assert set(handle) <= set(ALPHABET)
        assert len(ALPHABET) == 32


async def test_the_same_text_has_one_handle_for_each_principal() -> None:
    async with opened() as store:
        handle = put(store, b"text")
        assert put(store, b"text") == handle
        assert put(store, b"text", "eve") != handle
        assert len(store) == 2


async def test_it_expires_after_its_last_use() -> None:
    clock = Clock()
    async with opened(Bounds(lifetime=60), clock=clock) as store:
        handle, other = put(store, b"text"), put(store, b"other")
        clock.now += 59
        assert await store.get("ada", handle) == b"text"
        clock.now += 2
        assert await store.get("ada", other) is None
        assert await store.get("ada", handle) == b"text"
        clock.now += 60
        assert await store.get("ada", handle) is None
        assert (len(store), store.memory) == (0, 0)


async def test_a_text_that_is_kept_again_lives_on() -> None:
    clock = Clock()
    async with opened(Bounds(lifetime=60), clock=clock) as store:
        handle = put(store, b"text")
        clock.now += 59
        put(store, b"text")
        clock.now += 59
        assert await store.get("ada", handle) == b"text"


async def test_it_expires_when_nobody_asks_for_anything() -> None:
    clock = Clock()
    async with opened(Bounds(lifetime=0.01), clock=clock) as store:
        put(store, b"text")
        clock.now += 1
        await asyncio.sleep(0.05)
        assert store.memory == 0


async def test_memory_is_bounded_and_the_least_recently_used_goes_first() -> None:
    async with opened(Bounds(memory=40_000)) as store:
        first, second, third = (put(store, bytes([n]) * 10_000) for n in range(3))
        await store.get("ada", first)
        put(store, b"x" * 10_000)
        assert await store.get("ada", second) is None
        assert await store.get("ada", first) == b"\0" * 10_000
        assert await store.get("ada", third) == b"\2" * 10_000
        assert store.memory <= 40_000


async def test_one_principal_does_not_push_out_another() -> None:
    async with opened(Bounds(memory=100_000, each=30_000)) as store:
        mine = put(store, b"mine", "ada")
        for n in range(20):
            put(store, bytes([n]) * 9_000, "eve")
        assert await store.get("ada", mine) == b"mine"
        assert store.memory <= 30_000 + 1_000


async def test_what_is_larger_than_the_room_is_not_kept_and_drives_nothing_out() -> None:
    async with opened(Bounds(memory=20_000, each=10_000)) as store:
        handle = put(store, b"small")
        assert store.put("ada", b"x" * 10_000) is None
        assert store.put("eve", b"x" * 30_000) is None
        assert await store.get("ada", handle) == b"small"


async def test_it_spills_to_private_files_and_reads_them_back(tmp_path: Path) -> None:
    async with opened(Bounds(memory=40_000), tmp_path / "deep" / "results") as store:
        handles = {put(store, bytes([n]) * 8_000): bytes([n]) * 8_000 for n in range(4)}
        await quiet(store)
        written = files(tmp_path)
        assert len(written) == 2
        assert store.memory <= 20_000
        for path in written:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        for handle, text in handles.items():
            assert await store.get("ada", handle) == text
            assert await store.get("eve", handle) is None
        assert put(store, b"\0" * 8_000) == next(iter(handles))
    assert not files(tmp_path)


async def test_files_go_when_they_expire_and_when_the_disk_is_full(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(Bounds(memory=20_000, disk=30_000, lifetime=60), tmp_path, clock) as store:
        handles = []
        for n in range(12):
            handles.append(put(store, bytes([n]) * 8_000))
            await quiet(store)
            assert store.disk <= 30_000
            assert sum(path.stat().st_size for path in files(tmp_path)) <= 30_000
        assert len(files(tmp_path)) == 3
        assert await store.get("ada", handles[0]) is None
        assert await store.get("ada", handles[9]) == bytes([9]) * 8_000
        clock.now += 61
        store.sweep()
        await quiet(store)
        assert (len(store), store.memory, store.disk, files(tmp_path)) == (0, 0, 0, [])


async def test_a_text_dropped_while_it_is_written_leaves_no_file(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(Bounds(memory=20_000, lifetime=60), tmp_path, clock) as store:
        put(store, b"x" * 12_000)
        clock.now += 61
        store.sweep()
        assert store.memory > 12_000
        await quiet(store)
        assert (store.memory, store.disk, files(tmp_path)) == (0, 0, [])


async def test_what_is_being_written_is_not_dropped_for_room(tmp_path: Path) -> None:
    async with opened(Bounds(memory=30_000), tmp_path) as store:
        first, second = put(store, b"1" * 12_000), put(store, b"2" * 12_000)
        put(store, b"3" * 12_000)
        assert await store.get("ada", second) is None
        await quiet(store)
        assert await store.get("ada", first) == b"1" * 12_000


async def test_what_was_read_while_another_was_written_goes_after_it(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(Bounds(memory=22_000, lifetime=60), tmp_path, clock) as store:
        old = put(store, b"1" * 10_500)
        put(store, b"2" * 100)
        await quiet(store)
        assert not store.memory > 11_000
        clock.now += 10
        written = put(store, b"3" * 10_000)
        put(store, b"4" * 2_000)
        clock.now += 10
        assert await store.get("ada", old) is not None
        await quiet(store)
        clock.now += 55
        assert await store.get("ada", written) is None
        assert await store.get("ada", old) is not None


async def test_a_full_disk_costs_room_and_no_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(Bounds(memory=30_000), tmp_path) as store:
        (folder,) = tmp_path.iterdir()
        folder.rename(tmp_path / "away")
        handles = [put(store, bytes([n]) * 8_000) for n in range(3)]
        await quiet(store)
        assert [await store.get("ada", handle) is not None for handle in handles] == [True] * 3
        put(store, b"y" * 8_000)
        await quiet(store)
        assert store.memory <= 30_000
        assert store.disk == 0
        assert caplog.text.count("can't be written to disk") == 1
        (tmp_path / "away").rename(folder)


async def test_a_lost_file_is_an_unknown_handle(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(Bounds(memory=20_000), tmp_path) as store:
        handle = put(store, b"x" * 12_000)
        await quiet(store)
        for path in files(tmp_path):
            path.unlink()
        assert await store.get("ada", handle) is None
        assert "lost" in caplog.text
        assert len(store) == 0


async def test_a_start_removes_what_the_dead_left_and_not_what_the_living_use(tmp_path: Path) -> None:
    left = tmp_path / f"{PREFIX}dead"
    left.mkdir()
    (left / "file").write_bytes(b"secret")
    (tmp_path / "foreign.txt").write_bytes(b"not ours")
    living = open_spool(tmp_path)
    living.write("text", b"alive")
    async with opened(folder=tmp_path):
        assert not left.exists()
        assert living.read("text") == b"alive"
    living.close()
    assert os.listdir(tmp_path) == ["foreign.txt"]


async def test_without_a_folder_that_can_be_written_it_works_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    async with opened(folder=tmp_path / "file") as store:
        assert await store.get("ada", put(store, b"text")) == b"text"
    assert "in memory only" in caplog.text


async def test_nothing_is_kept_after_the_end(tmp_path: Path) -> None:
    async with opened(Bounds(memory=20_000), tmp_path) as store:
        for n in range(3):
            put(store, bytes([n]) * 6_000)
    assert store.put("ada", b"late") is None
    assert not list(tmp_path.iterdir())


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("pgt"), st.integers(0, 9), st.sampled_from(["ada", "eve"])), max_size=40
    )
)
def test_whatever_is_done_the_bounds_hold_and_texts_are_true(steps: list[tuple[str, int, str]]) -> None:
    async def run() -> None:
        clock = Clock()
        bounds = Bounds(lifetime=10, memory=12_000, disk=12_000, each=15_000)
        known: dict[tuple[str, str], bytes] = {}
        with tempfile.TemporaryDirectory() as folder:
            async with opened(bounds, Path(folder), clock) as store:
                for what, n, principal in steps:
                    if what == "p":
                        text = bytes([n]) * (500 * n)
                        handle = store.put(principal, text)
                        if handle is not None:
                            known[principal, handle] = text
                    elif what == "g":
                        for (owner, handle), text in known.items():
                            assert await store.get(owner, handle) in (text, None)
                    else:
                        clock.now += n
                        await quiet(store)
                    assert store.memory <= bounds.memory
                    assert store.disk <= bounds.disk
                    for line in (store._in_memory, store._on_disk):
                        ages = [kept.expires for kept in line.values()]
                        assert ages == sorted(ages)
                clock.now += 11
                store.sweep()
                await quiet(store)
                assert (len(store), store.memory, store.disk) == (0, 0, 0)
                assert [store._of, store._by_digest, store._sizes] == [{}, {}, {}]

    asyncio.run(run())
