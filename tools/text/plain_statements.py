"""Statements that praise and blame nothing, and faint verdicts that do neither: ours, CC0. They teach what neutral is.

People's ratings teach it badly: of tweets and reviews few are neutral, and those are of films. So what customers,
colleagues and calendars say (`The package arrived on Tuesday.`) came out as whatever its words weigh elsewhere.
"""

import random
from collections.abc import Iterator
from itertools import product
from typing import Final

_SEED: Final = 20_251
MOST_OF_A_FRAME: Final = 24

_THINGS: Final = (
    "package", "parcel", "order", "letter", "laptop", "phone", "lamp", "chair", "book", "camera", "keyboard", "charger",
    "jacket", "bag", "table", "printer", "monitor", "bottle", "ticket", "invoice",
)  # fmt: skip
_DAYS: Final = (
    "on Tuesday", "on Friday", "yesterday", "this morning", "last week", "on 4 March", "in April", "at noon",
)  # fmt: skip
_TIMES: Final = ("at 9", "at half past two", "at 3 pm", "at 18:30", "at noon", "in the morning", "after lunch")
_PEOPLE: Final = (
    "the committee", "the team", "my sister", "our manager", "the council", "a colleague", "the clerk", "Mr. Osei",
    "the company", "a neighbour", "the author", "the school",
)  # fmt: skip
_PLACES: Final = (
    "the station", "the library", "the office", "the main hall", "Zurich", "the second floor", "the town hall",
    "the car park", "a bank", "Nairobi", "the river",
)  # fmt: skip
_COLOURS: Final = ("blue", "grey", "black", "green", "white", "brown")
_STUFF: Final = ("cotton", "steel", "wood", "glass", "plastic", "leather")
_NUMBERS: Final = ("two", "12", "40", "320", "1,400", "six", "a dozen", "75")
_VERDICTS: Final = (
    "okay", "ok", "average", "so-so", "fine, nothing special", "neither good nor bad", "about what one expects",
    "decent enough", "nothing special", "middling", "acceptable", "standard", "ordinary", "what it says on the box",
    "usable", "all right, I suppose",
)  # fmt: skip
_SUBJECTS: Final = (
    "it", "the film", "the food", "the hotel", "the phone", "the service", "the book", "the app", "the room",
    "this product", "the sound",
)  # fmt: skip

_FRAMES: Final[tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]] = (
    ("The {} arrived {}.", (_THINGS, _DAYS)),
    ("The {} was delivered {}.", (_THINGS, _DAYS)),
    ("I received the {} {}.", (_THINGS, _DAYS)),
    ("I ordered a {} {}.", (_THINGS, _DAYS)),
    ("I bought {} of them {}.", (_NUMBERS, _DAYS)),
    ("The {} comes with a manual and a {}.", (_THINGS, _THINGS)),
    ("The {} is {}.", (_THINGS, _COLOURS)),
    ("The {} is made of {}.", (_THINGS, _STUFF)),
    ("The {} is on {}.", (_THINGS, ("the desk", "the shelf", "the second floor", "its way"))),
    ("The {} weighs {} grams.", (_THINGS, _NUMBERS)),
    ("My {} number is {}.", (("order", "ticket", "customer", "invoice"), ("44821", "1093", "B-204", "77"))),
    ("The meeting is {} in {}.", (_TIMES, _PLACES)),
    ("The shop opens {} and closes {}.", (_TIMES, _TIMES)),
    ("The train to {} leaves {}.", (_PLACES, _TIMES)),
    ("{} will meet {}.", (_PEOPLE, _TIMES)),
    ("{} said that they would call back {}.", (_PEOPLE, _TIMES)),
    ("{} works near {}.", (_PEOPLE, _PLACES)),
    ("{} moved to {} {}.", (_PEOPLE, _PLACES, _DAYS)),
    ("{} has {} employees.", (("the company", "the office", "the firm", "the school"), _NUMBERS)),
    ("{} published the report {}.", (_PEOPLE, _DAYS)),
    ("{} will vote on the plan {}.", (_PEOPLE, _DAYS)),
    ("The museum is closed {}.", (_DAYS,)),
    ("The restaurant is next to {}.", (_PLACES,)),
    ("There are {} rooms and a kitchen.", (_NUMBERS,)),
    ("The book has {} pages.", (_NUMBERS,)),
    ("We had lunch and went back to {}.", (_PLACES,)),
    ("I am writing to ask about the {}.", (("delivery date", "invoice", "next step", "opening hours", "address"),)),
    ("Please send me the {}.", (("invoice", "form", "address", "file", "report", "schedule"),)),
    ("How do I change the {}?", (("address", "password", "language", "date", "settings"),)),
    ("Where can I find the {}?", (("form", "serial number", "manual", "exit", "receipt"),)),
    ("The film is about {} who {}.", (
        ("a man", "two sisters", "a teacher", "a farmer", "a student"),
        ("moves to Alaska", "runs a shop", "travels to Lisbon", "learns to sail", "writes letters"))),
    ("It was released {}.", (_DAYS,)),
    ("Sales were {} compared with last year.", (("unchanged", "level", "about the same"),)),
    ("Tomorrow will be {} with temperatures around {} degrees.", (
        ("cloudy", "dry", "windy", "mild"), ("5", "12", "18", "25"))),
    ("Add {} eggs and stir for {} minutes.", (("two", "three", "four"), ("five", "ten", "20"))),
    ("Turn left at {} and go on for {} metres.", (_PLACES, ("100", "200", "500"))),
    ("The password must have {} characters.", (("eight", "ten", "12", "16"),)),
    ("The {} has been submitted.", (("form", "request", "report", "application", "ticket"),)),
    ("{} is {}.", (_SUBJECTS, _VERDICTS)),
    ("{} was {}.", (_SUBJECTS, _VERDICTS)),
    ("I have no strong opinion about {}.", (_SUBJECTS,)),
    ("{} does what it says.", (_SUBJECTS,)),
    ("{} works as described.", (_SUBJECTS,)),
    ("I think {} is {}.", (_SUBJECTS, _VERDICTS)),
)  # fmt: skip
_ALONE: Final = (
    "Ok.", "Okay.", "So-so.", "Meh.", "Noted.", "Average.", "Nothing special.", "Received.", "As described.",
    "As expected.", "Not sure yet.", "No opinion.", "It depends.", "Neither good nor bad.", "Could go either way.",
)  # fmt: skip


def plain_statements() -> Iterator[str]:
    """All of them, the same at each call: at most 24 of a frame."""
    rng = random.Random(_SEED)  # noqa: S311 - a sample, no secret
    yield from _ALONE
    for frame, slots in _FRAMES:
        made = [frame.format(*words) for words in product(*slots)]
        for said in rng.sample(made, min(MOST_OF_A_FRAME, len(made))):
            yield said[:1].upper() + said[1:]
