"""What the tests of the workers' machinery share."""

from collections.abc import Iterator

import pytest

from runtime.broker import Sender
from tests.support.bench import sender_to


@pytest.fixture
def sender(redis_url: str) -> Iterator[Sender]:
    sender = sender_to(redis_url)
    yield sender
    sender.close()
