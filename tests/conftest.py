"""What every test may ask for, and what none may do: talk beyond this machine."""

import pytest
from hypothesis import settings
from pytest_socket import socket_allow_hosts

# For a night, or after a change to the heart: `--hypothesis-profile=long`. What asks for its own number keeps it.
settings.register_profile("long", max_examples=3000, deadline=None)

pytest_plugins = ("tests.support.servers",)


@pytest.fixture(autouse=True)
def _stay_on_this_machine() -> None:
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
