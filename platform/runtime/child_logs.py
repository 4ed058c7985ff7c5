"""The lines that children write: to a file each, and to the terminal under their names."""

import asyncio
import contextlib
import os
from collections import deque
from pathlib import Path
from typing import IO, Final, Literal

import msgspec

from runtime.log_masks import Mask, masked_line

LogFormat = Literal["console", "json"]

_LARGEST_FILE_BYTES: Final = 10 * 1024 * 1024
_LONGEST_LINE_BYTES: Final = 64 * 1024
_LINES_KEPT: Final = 20
_LAST_WORDS_SECONDS: Final = 0.5
_WIDTH: Final = 9
_COLOURS: Final = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)


class ChildLogs:
    """Where children's lines go, `mask`ed. Files are kept below 10 MiB each, with one older one beside it."""

    def __init__(self, folder: Path, terminal: IO[str], log_format: LogFormat, mask: Mask = masked_line) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._terminal = terminal
        self._format = log_format
        self._mask = mask
        self._has_colours = log_format == "console" and terminal.isatty()
        self._tails: dict[str, deque[str]] = {}
        self._files: dict[str, IO[bytes]] = {}

    def say(self, event: str, **fields: str | float) -> None:
        """A line of the supervisor's own: an event and what belongs to it."""
        if self._format == "json":
            self._print(msgspec.json.encode({"event": event, "process": "up", **fields}).decode())
        else:
            self._print(self._named("up", " ".join((event, *(f"{name}={value}" for name, value in fields.items())))))

    def take(self, name: str, line: bytes, *, is_quiet: bool) -> None:
        """Keep a line of the child `name`, and show it unless the child is a quiet one."""
        said = line.decode("utf-8", "replace")
        text = self._mask(said)
        self._write(name, line if text == said else text.encode())
        text = text.rstrip()
        self._tails.setdefault(name, deque(maxlen=_LINES_KEPT)).append(text)
        if is_quiet or not text:
            return
        if self._format == "console":
            self._print(self._named(name, text))
        elif text.startswith("{"):
            self._print(text)
        else:
            self._print(msgspec.json.encode({"event": text, "process": name}).decode())

    def tail(self, name: str) -> str:
        """The last lines of a child."""
        return "\n".join(self._tails.get(name, ()))

    def path(self, name: str) -> Path:
        """The file that keeps a child's lines."""
        return self._folder / f"{name}.log"

    async def listen(self, name: str, *, is_quiet: bool) -> tuple[int, "Lines"]:
        """A descriptor for a child to write to, and what cuts into lines what it writes."""
        reading, writing = os.pipe()
        lines = Lines(self, name, is_quiet=is_quiet)
        await asyncio.get_running_loop().connect_read_pipe(lambda: lines, os.fdopen(reading, "rb", 0))
        return writing, lines

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _write(self, name: str, line: bytes) -> None:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = open(self.path(name), "ab", 0, opener=_private)  # noqa: SIM115 - kept open
        if file.tell() > _LARGEST_FILE_BYTES:
            file.close()
            self.path(name).replace(self._folder / f"{name}.1.log")
            file = self._files[name] = open(self.path(name), "ab", 0, opener=_private)  # noqa: SIM115 - kept open
        file.write(line if line.endswith(b"\n") else line + b"\n")

    def _named(self, name: str, text: str) -> str:
        label = f"{name:<{_WIDTH}} │"
        if self._has_colours:
            label = f"\x1b[{_COLOURS[sum(name.encode()) % len(_COLOURS)]}m{label}\x1b[0m"
        return f"{label} {text}"

    def _print(self, text: str) -> None:
        try:
            print(text, file=self._terminal, flush=True)
        except (BrokenPipeError, ValueError):
            # Whoever read us is gone; the files go on.
            return


class Lines(asyncio.Protocol):
    """Cuts what a child writes into lines."""

    def __init__(self, logs: ChildLogs, name: str, *, is_quiet: bool) -> None:
        self._logs = logs
        self._name = name
        self._is_quiet = is_quiet
        self._rest = b""
        self._transport: asyncio.BaseTransport | None = None
        self._is_over = asyncio.Event()

    async def finish(self) -> None:
        """Read what is still on its way from a child that is gone; whoever else holds its output gets half a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._is_over.wait()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to close it."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Pass on the lines that are whole; one that never ends is passed on in pieces."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._logs.take(self._name, line, is_quiet=self._is_quiet)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 # asyncio's name
        """Every writer is gone."""
        if self._rest:
            self._logs.take(self._name, self._rest, is_quiet=self._is_quiet)
            self._rest = b""
        self._is_over.set()


def _private(path: str, flags: int) -> int:
    """Opens a log for its owner alone: it tells who asked for what."""
    return os.open(path, flags, 0o600)
