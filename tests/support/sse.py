"""Reads Server-Sent Events as a client does."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx
import msgspec

Frame = dict[str, Any]


async def frames(
    url: str, headers: Mapping[str, str], *, seconds: float = 20, sent: object = None
) -> AsyncGenerator[Frame, None]:
    """The frames of a stream, asked for by what is sent if anything is; a comment is one with a comment."""
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(headers=dict(headers), timeout=seconds) as client,
        client.stream("GET" if sent is None else "POST", url, json=sent) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        frame: Frame = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(":")
            if line:
                frame[name or "comment"] = value.strip()
            elif frame:
                if "data" in frame:
                    frame["data"] = msgspec.json.decode(frame["data"])
                yield frame
                frame = {}
