from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from headrace.events import Event, EventReader, Place

STREAM = (
    b': heartbeat\n\nevent: snapshot\ndata: {"state":"queued"}\n\nretry: 1000\n\n'
    b'event: log\r\nid: 1\r\ndata: {"message":\r\ndata: "a\xe2\x80\xa8b"}\r\n\r\n'
    b'event: delta\rid: 2\rdata: {"text":"w"}\r\r'
    b"event: cut\nid: 3\ndata: {}\n"
)


def read(*pieces: bytes) -> list[Event]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)]


@given(st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=12))
def test_events_are_the_same_wherever_their_stream_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    events = read(*(STREAM[start:end] for start, end in pairwise(places)))
    assert [(event.type, event.id) for event in events] == [("snapshot", ""), ("log", "1"), ("delta", "2")]
    assert msgspec.json.decode(events[1].raw) == {"message": "a\u2028b"}
    assert events[2].text == "w"


def test_the_time_to_come_again_is_heard() -> None:
    reader = EventReader()
    assert list(reader.feed(b"retry: 1500\n\nretry: soon\n\n")) == []
    assert reader.retry_seconds == 1.5


def test_nothing_is_heard_twice_a_snapshot_neither() -> None:
    place = Place(is_of_one_job=True)
    story = [
        (Event(type="snapshot", raw=b'{"state":"queued"}'), True),
        (Event(type="started", id="9"), True),
        (Event(type="snapshot", raw=b'{"state":"queued"}'), False),
        (Event(type="started", id="9"), False),
        (Event(type="log", id="10"), True),
        (Event(type="log", id="2"), False),
        (Event(type="snapshot", raw=b'{"state":"running"}'), False),
    ]
    assert [place.hears(event) for event, _ in story] == [is_news for _, is_news in story]
    assert (place.last_id, place.is_over) == ("10", False)


def test_the_story_of_a_job_queued_again_is_not_over_after_its_first_end() -> None:
    place = Place(is_of_one_job=True)
    for number, kind in enumerate(("queued", "failed", "queued", "succeeded"), start=1):
        place.hears(Event(type=kind, id=str(number)))
        assert place.is_over == (kind in {"failed", "succeeded"})


def test_the_story_of_many_jobs_has_no_end_and_ids_of_any_sort() -> None:
    place = Place(is_of_one_job=False)
    assert place.hears(Event(type="succeeded", id="evt_b"))
    assert not place.hears(Event(type="succeeded", id="evt_b"))
    assert place.hears(Event(type="failed", id="evt_a"))
    assert not place.is_over
