"""What every test may ask for, and what none may do: talk beyond this machine."""

import pytest
import structlog
from hypothesis import settings
from pytest_socket import socket_allow_hosts
from structlog.dev import ConsoleRenderer, plain_traceback

# For a night, or after a change to the heart: `--hypothesis-profile=long`. What asks for its own number keeps it.
settings.register_profile("long", max_examples=3000, deadline=None)

# In colours, with every variable of every frame, one traceback takes as long as ten tests. Few are ever read.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        ConsoleRenderer(colors=False, exception_formatter=plain_traceback),
    ]
)

pytest_plugins = ("tests.support.servers",)


@pytest.fixture(autouse=True)
def _stay_on_this_machine() -> None:
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
