"""The bad network is as bad as it is told to be, and no worse."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import Proxy, Weather, open_proxy


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.read(1024):
        writer.write(line)
    writer.close()


@asynccontextmanager
async def called(weather: Weather) -> AsyncGenerator[tuple[Proxy, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through a proxy to a server that echoes."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, open_proxy("127.0.0.1", port, weather) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        try:
            yield proxy, reader, writer
        finally:
            writer.close()


async def test_in_fair_weather_everything_passes() -> None:
    async with called(Weather()) as (_, reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"


async def test_latency_is_added_each_way() -> None:
    async with called(Weather(latency_seconds=0.1)) as (_, reader, writer):
        began = time.monotonic()
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        assert time.monotonic() - began >= 0.2


async def test_nothing_passes_while_it_stalls_and_all_of_it_afterwards() -> None:
    async with called(Weather(is_stalled=True)) as (proxy, reader, writer):
        writer.write(b"hello")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        proxy.change(Weather())
        assert await reader.readexactly(5) == b"hello"


async def test_a_reply_is_cut_after_so_many_bytes() -> None:
    async with called(Weather(cut_after_bytes=3)) as (_, reader, writer):
        writer.write(b"hello")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(5)


async def test_open_connections_are_reset_when_told() -> None:
    async with called(Weather()) as (proxy, reader, writer):
        writer.write(b"hello")
        await reader.readexactly(5)
        proxy.reset_all()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)


async def test_a_refused_connection_is_reset() -> None:
    async with called(Weather(refuses=True)) as (_, reader, _writer):
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
