"""A headless Chromium, driven through a pipe by its own DevTools protocol: no driver, no port."""

import asyncio
import base64
import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgspec

_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
_LARGEST_ANSWER: Final = 64 * 1024**2
# Chromium reads calls from file descriptor 3 and answers on 4; the shell of Debian cannot redirect from beyond 9.
_REDIRECT: Final = """
import fcntl, os, sys
calls, answers = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(calls, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """Where Chromium is on this machine, if it is."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One tab on one site. `dialogs` and `faults` hold what it tried to show, and what went wrong in its scripts."""

    def __init__(self, site: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._site = site
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.dialogs: list[str] = []
        self.faults: list[str] = []

    async def attach(self) -> None:
        """Open the tab."""
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            await self.send(f"{domain}.enable")

    async def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call the browser, and note what it tells before it answers."""
        number = next(self._numbers)
        call = {"id": number, "method": method, "params": parameters} | (
            {"sessionId": self._session} if self._session else {}
        )
        self._writer.write(msgspec.json.encode(call) + b"\0")
        await self._writer.drain()
        while True:
            told = msgspec.json.decode((await self._reader.readuntil(b"\0"))[:-1])
            if told.get("id") == number:
                assert "error" not in told, (method, told)
                return dict(told["result"])
            self._note(told.get("method", ""), told.get("params", {}))

    async def open(self, path: str) -> None:
        """Go to a path of the site."""
        await self.send("Page.navigate", url=self._site + path)

    async def ask(self, expression: str) -> Any:  # noqa: ANN401 - whatever the expression gives
        """What a JavaScript expression gives in the page."""
        given = await self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in given, given
        return given["result"].get("value")

    async def until(self, expression: str, *, seconds: float = 20) -> None:
        """Wait until the page is loaded and the expression is true of it."""
        try:
            async with asyncio.timeout(seconds):
                while not await self.ask(f"document.readyState === 'complete' && Boolean({expression})"):
                    await asyncio.sleep(0.05)  # polled: the page tells nobody
        except TimeoutError:
            raise AssertionError(f"never: {expression}\n{await self.ask('document.body.innerText')}") from None

    async def type_in(self, selector: str, text: str) -> None:
        """Type as a person would, and press Enter."""
        await self.ask(f"document.querySelector({msgspec.json.encode(selector).decode()}).focus()")
        await self.send("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            await self.send("Input.dispatchKeyEvent", type=kind, key="Enter", text="\r", windowsVirtualKeyCode=13)

    async def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be a screen of this size."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self) -> bytes:
        """A screenshot of the whole page, as PNG."""
        taken = await self.send("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    def _note(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Page.javascriptDialogOpening":
            self.dialogs.append(parameters["message"])
        elif method == "Runtime.exceptionThrown":
            self.faults.append(str(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["source"] == "security":
            self.faults.append(parameters["entry"]["text"])


@asynccontextmanager
async def open_page(chromium: str, site: str) -> AsyncIterator[Page]:
    """A fresh browser with one empty tab, for visiting `site`; ended with everything it started."""
    folder = tempfile.mkdtemp(prefix="headrace-chromium-")
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _REDIRECT, str(theirs_in), str(theirs_out)),
        *(chromium, *_FLAGS, "--remote-debugging-pipe", f"--user-data-dir={folder}"),
        pass_fds=(theirs_in, theirs_out),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LARGEST_ANSWER)
    incoming, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours_in, "rb"))
    outgoing, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(ours_out, "wb"))
    page = Page(site, reader, asyncio.StreamWriter(outgoing, protocol, None, loop))
    try:
        await page.attach()
        yield page
    finally:
        outgoing.close()
        incoming.close()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        shutil.rmtree(folder, ignore_errors=True)
