import contextlib
import os
import socket
from collections.abc import Generator

import pytest

from runtime.ports import PortBook, PortTaken, is_free, listens


@pytest.fixture
def taken() -> Generator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def book() -> Generator[PortBook]:
    with contextlib.closing(PortBook()) as book:
        yield book


def test_a_port_somebody_listens_on_is_not_free(taken: int) -> None:
    assert not is_free("127.0.0.1", taken)


def test_the_next_free_port_is_found_and_promised_to_nobody_else(book: PortBook, taken: int) -> None:
    with contextlib.closing(PortBook()) as another:
        ports = [book.find("127.0.0.1", taken), another.find("127.0.0.1", taken), book.find("127.0.0.1", taken)]
    assert taken < ports[0] < ports[1] < ports[2]


def test_a_promise_ends_with_its_book(taken: int) -> None:
    with contextlib.closing(PortBook()) as book:
        first = book.find("127.0.0.1", taken)
    with contextlib.closing(PortBook()) as book:
        assert book.find("127.0.0.1", taken) == first


def test_a_port_asked_for_by_number_is_not_found_for_something_else(book: PortBook, taken: int) -> None:
    free = book.find("127.0.0.1", taken)
    with contextlib.closing(PortBook()) as another:
        another.claim(free)
        assert another.find("127.0.0.1", free) > free


def test_an_address_of_another_machine_has_no_free_port(book: PortBook) -> None:
    with pytest.raises(PortTaken, match=r"is that an address of this machine\?"):
        book.find("192.0.2.1", 8000)


def test_a_listening_port_is_proven_to_be_its_process_own(taken: int) -> None:
    assert listens(os.getpid(), taken)
    assert not listens(os.getppid(), taken)


def test_a_connection_is_not_a_listener(taken: int) -> None:
    with socket.create_connection(("127.0.0.1", taken)) as client:
        assert not listens(os.getpid(), client.getsockname()[1])
