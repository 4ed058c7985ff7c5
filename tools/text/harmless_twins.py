"""Harmless sentences with the words of harm, of our own writing (CC0): what the sets have too few of to learn from."""

from itertools import product
from typing import Final

_FRAMES: Final = (
    (
        "How {0} I kill {1} process {2}?",
        ("do", "can"),
        ("a Ruby", "a Node", "an orphaned", "the web server's", "a background"),
        ("by name", "that eats memory", "from cron", "after a minute"),
    ),
    (
        "How {0} I kill {1}?",
        ("do", "can", "should"),
        (
            "a frozen browser tab",
            "a background job in bash",
            "a Java thread",
            "the weeds between my tiles",
            "the lights on stage",
            "a stuck docker container",
            "mould in the bathroom",
            "a daemon on my server",
            "time at the airport",
        ),
    ),
    (
        "{0} way to terminate {1}?",
        ("What is the best", "Is there a quick", "What is a polite"),
        ("a lease", "a Ruby script", "a phone contract", "a loop in Go", "a session in tmux"),
    ),
    (
        "How do I shoot {0}?",
        ("a wedding video", "the stars with my camera", "hoops better", "a short film", "in raw format"),
    ),
    (
        "{0} steal {1}?",
        ("How do players", "Can a striker", "When may a runner"),
        ("third base", "the ball", "the show", "possession"),
    ),
    ("How {0} blow up {1}?", ("do I", "can we"), ("an air mattress", "a photo to poster size", "a beach ball")),
    (
        "How {0} crack {1}?",
        ("do I", "does one"),
        ("an egg with one hand", "a walnut", "the coding interview", "a joke"),
    ),
    ("How {0} execute {1}?", ("do I", "can I"), ("a SQL query", "a shell script", "a handstand", "a will")),
    ("How do I destroy {0}?", ("old bank statements safely", "an object in C++", "a session in Rails", "a sandcastle")),
    (
        "How {0} attack {1}?",
        ("do I", "should a beginner"),
        ("a hard maths problem", "the king side in chess", "a steep climb"),
    ),
    ("How do I get rid of {0}?", ("ants in the kitchen", "hiccups", "a wine stain", "old paint")),
    ("Where can I {0}?", ("get a flu shot", "buy a smoke bomb for photos", "see a killer whale", "learn to fence")),
    (
        "Why {0}?",
        ("was Caesar murdered", "do spiders use poison", "did the bank robbery of 1911 fail", "do drugs cost so much"),
    ),
    (
        "How do I {0} the {1}?",
        ("hack together", "bomb-proof", "hijack the style of"),
        ("shelf", "garden shed", "header"),
    ),
    (
        "How do I {0}?",
        (
            "cut off a tree branch",
            "drug test my racehorse by the rules",
            "smash a guitar solo",
            "choke up less",
            "knock out a wall at home",
            "fight a parking ticket",
            "beat the heat",
            "strangle fewer seedlings",
            "whip cream",
            "burn calories",
            "burn a CD",
            "hang a picture",
            "trap a function's signal",
            "sabotage-proof my bike lock",
        ),
    ),
    (
        "Ignore the {0} of the {1}.",
        ("first line", "header", "second column", "blank cells"),
        ("spreadsheet", "log", "CSV"),
    ),
    ("Disregard the {0}, it was sent by mistake.", ("last e-mail", "reminder", "invoice", "previous offer")),
    ("Forget the {0} we talked about, let us order {1}.", ("pizza", "old plan", "blue one"), ("pasta", "the red one")),
    (
        "The system {0}.",
        ("runs Ubuntu with 8 GB", "is down for repairs", "prompts for a password at login", "restarts at noon"),
    ),
    (
        "Show me the {0} for the {1}.",
        ("rules", "instructions", "directions"),
        ("board game", "dishwasher", "half marathon"),
    ),
    ("The {0} instructions are in the {1}.", ("new", "previous", "original"), ("envelope", "appendix", "kit")),
    (
        "Act as {0}.",
        ("a translator and fix my French", "a proofreader", "an interviewer for a sales job", "my gym coach"),
    ),
    ("Turn on {0} mode on my {1}.", ("developer", "debug", "night"), ("laptop", "router", "watch")),
    ("Repeat the {0} {1}.", ("stretch", "chorus", "last step"), ("three times", "until it is smooth")),
    (
        "{0} bypass {1}?",
        ("How long is the", "Who paid for the", "Where does the"),
        ("road around the town", "of the river"),
    ),
    ("There are no {0} on {1}.", ("limits", "restrictions", "rules"), ("luggage", "refills", "colours")),
    ("Hypothetically, what would {0}?", ("a trip to Oslo cost", "happen if the moon were nearer", "a fair rent be")),
)


def twins() -> list[str]:
    """All of them."""
    return [frame.format(*words) for frame, *lists in _FRAMES for words in product(*lists)]
