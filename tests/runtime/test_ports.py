import os
import socket
from collections.abc import Generator

import pytest

from runtime.ports import PortTaken, find_free, is_free, listens


@pytest.fixture
def taken() -> Generator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_somebody_listens_on_is_not_free(taken: int) -> None:
    assert not is_free("127.0.0.1", taken)


def test_the_next_free_port_is_found_beside_those_already_promised(taken: int) -> None:
    first = find_free("127.0.0.1", taken)
    second = find_free("127.0.0.1", taken, taken=frozenset({first}))
    assert taken < first < second


def test_an_address_of_another_machine_has_no_free_port() -> None:
    with pytest.raises(PortTaken, match=r"is that an address of this machine\?"):
        find_free("192.0.2.1", 8000)


def test_a_listening_port_is_proven_to_be_its_process_own(taken: int) -> None:
    assert listens(os.getpid(), taken)
    assert not listens(os.getppid(), taken)


def test_a_connection_is_not_a_listener(taken: int) -> None:
    with socket.create_connection(("127.0.0.1", taken)) as client:
        assert not listens(os.getpid(), client.getsockname()[1])
