"""Whether a text is toxic: n-gram models over the text, and over a copy with disguises taken off."""

import re
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct

from domain.text.moderate import CATEGORIES, FLAGGED_FROM
from providers.text.local.disguise import undisguised
from providers.text.local.ngrams import NgramModel, open_ngrams
from providers.text.local.sentences import sentences_of
from providers.text.local.static_table import StaticTable
from providers.text.local.words import plain

LONGEST_WHOLE: Final = 2_000
"""Texts up to this are judged as a whole: what a sentence means hangs on those around it."""

LEAST_WINDOW: Final = 25
"""Longer ones sentence by sentence, so that one insult among much else is not lost; shorter ones join the next."""

DOUBT: Final = 1.5
"""Taken from the log-odds of the worst of many windows: among many, one looks bad by chance."""

ISSUE_FROM: Final = 0.5
DIGITS: Final = 4
GRAVE: Final = ("self-harm", "sexual")
"""Issues that make a text undesired however politely it is put; the others score no higher than toxicity does."""

UNNAMED: Final = "harassment"
"""What a flagged text is said to be when no issue stands out."""

# Only names the issue; what is toxic the model decides.
_PROFANITY: Final = re.compile(
    r"\b(?:(?:mother)?fuck\w*|fuk\w*|fck\w*|(?:bull)?shit\w*|bitch\w*|bastards?|(?:dumb|jack)?ass(?:hole|hat|wipe"
    r"|clown)?s?|arse(?:hole)?s?|cunt\w*"
    r"|dick(?:head)?s?|pricks?|piss(?:ed|ing|es)?|cock(?:sucker\w*|s)?|puss(?:y|ies)|wank\w*|twats?|bollocks"
    r"|(?:god)?damn(?:ed|it)?|crap(?:py)?"
    r"|slut\w*|whore\w*|douche\w*|tits|stfu|wtf)\b"
)

# Few texts of this kind were there to learn from, and one missed weighs more than one too many.
_SELF_HARM: Final = re.compile(
    r"\b(?:(?:kill|hang|cut|hurt|harm|starv|burn)(?:e|t?ing)? myself|end(?:ing)? (?:my (?:own )?life|it all)"
    r"|tak(?:e|ing) my own life|(?:want|wanted|wish|ready|going) (?:to (?:just )?(?:die|be dead)|i (?:was|were) dead)"
    r"|(?:do not|don't|dont) want to (?:live|be alive|wake up)|better off dead|kill (?:yourself|urself)|kys"
    r"|commit(?:ting)? suicide|i(?:'m| am) suicidal"
    r"|i (?:\w+ )?(?:take|took|taken|swallow(?:ed)?) (?:too many|all) (?:(?:of )?(?:the|my|these) )?(?:pills|tablets)"
    r" (?:at once|tonight|i have|in the house)|how many (?:pills|tablets)[\w\s]{0,30}(?:die|kill|overdose|not wake up)"
    r"|(?:nobody|no one) (?:would|will) (?:notice|care|miss me) if i (?:die|died|disappeared|was gone|were gone))\b"
)
SELF_HARM_SCORE: Final = 0.8

_NEAR_SELF_HARM: Final = re.compile(
    r"suicid|self.?(?:harm|injur|hurt)|myself|yourself|themsel|himself|herself|my (?:own )?(?:life|wrists?|arms?"
    r"|skin)|want to die|overdos|pills"
    r"|anorexi|bulimi|starv|purg|razor|blade|noose|bleed|depress|thinspo|worthless|disappear|not be here"
    r"|no reason to live"
)
# Said outright, in words so plain that n-grams, which add up what each weighs elsewhere, may miss them.
_THREAT: Final = re.compile(
    r"\b(?:i(?:'ll| will|'m going to|'m gonna|m gonna| am going to)|we(?:'ll| will|'re going to)) "
    r"(?:(?!not |never )\w+ )?"
    r"(?:(?:find|hunt|get|grab) (?:you|u) (?:down )?and )?"
    r"(?:kill|murder|stab|shoot|strangle|behead|burn|rape|torture|choke|gut|lynch|poison|skin|slaughter"
    r"|(?:beat|smash|bash|cut)(?= (?:you|u|your \w+) (?:up|to death|to a pulp|senseless|open|in half|in)\b))"
    r" (?:you|u|your (?:family|kids|children|mother|wife|face|head|skull))\b"
    r"|\bhope (?:you|u|he|she|they|your \w+)(?: all)? (?:\w+ )?"
    r"(?:die|dies|rot|choke|gets? (?:cancer|raped|killed|shot))\b"
    r"|\bhope (?:you|u|they) burn\b|\bdie in a (?:fire|hole|ditch)\b|\bgo (?:and )?(?:hang|drown|shoot) yourself\b"
    r"|\b(?:they|them|all of them|(?:every )?one of them|you|these people|those people)(?: all)?"
    r" (?:should|deserve to|need to|ought to)(?: all| just)? (?:be )?"
    r"(?:shot|hanged|gassed|raped|exterminated|lynched|put to death|executed|castrated|die)\b"
)
THREAT_SCORE: Final = 0.8
_NAMES: Final = (
    r"(?:idiots?|morons?|imbeciles?|dick ?heads?|ass ?holes?|arseholes?|scum(?:bags?)?|retards?|cunts?|motherfuckers?"
    r"|pieces? of (?:shit|crap|trash)|dumb ?ass(?:es)?|douche ?bags?)"
)
_INSULT: Final = re.compile(
    r"\byou(?:'re| are| r|r)?,? (?:(?:such|just|really|all|nothing but|an?|the|absolute|complete|total|utter|fucking"
    r"|bloody|damn|goddamn|stupid|dumb|ugly|fat|little|pathetic|worthless|disgusting|useless|ignorant|lying|dirty|filthy|sick"
    rf"|big|huge|biggest) ){{0,5}}{_NAMES}\b"
    rf"|\A(?:what |such )?(?:(?:an?|absolute|complete|total|utter|stupid|dumb|fucking) ){{0,3}}{_NAMES}[\s.!]*\Z"
)
INSULT_SCORE: Final = 0.6

UNLIKELY_SCORE: Final = 0.4
"""The most self-harm scores where no word is near it: the model, which saw few such texts, errs on insults."""


class Judgement(Struct, frozen=True, kw_only=True):
    """How toxic a text is, the score of each of `CATEGORIES`, and those that apply, the highest first."""

    toxicity: float
    categories: dict[str, float]
    issues: tuple[str, ...]

    @property
    def is_flagged(self) -> bool:
        """Whether the text as a whole counts as toxic."""
        return self.toxicity >= FLAGGED_FROM


class Moderator:
    """Judges texts. Long ones are judged window by window: the worst one counts."""

    def __init__(self, model: NgramModel, table: StaticTable) -> None:
        self._model = model
        self._table = table

    def judge(self, text: str) -> Judgement:
        """How toxic the text is, and in which ways."""
        if not any(map(str.isalnum, text)):
            return _judgement(dict.fromkeys(self._model.about.heads, 0.0), swears=False)
        windows = [text] if len(text) <= LONGEST_WHOLE else _windows(text)
        seen = [plain(window) for window in windows]
        bare = [undisguised(window, as_is) for window, as_is in zip(windows, seen, strict=True)]
        shown = [other for other, as_is in zip(bare, seen, strict=True) if other != as_is]
        vectors = self._table.vectors([*windows, *shown])
        odds = self._model.log_odds_of([*seen, *map(plain, shown)], vectors)
        worst = 1 / (1 + np.exp((DOUBT if len(windows) > 1 else 0.0) - np.max(odds, axis=0)))
        found = dict(zip(self._model.about.heads, map(float, worst), strict=True))
        if any(_SELF_HARM.search(shown) for shown in bare):
            found["self-harm"] = max(found["self-harm"], SELF_HARM_SCORE)
        elif not any(_NEAR_SELF_HARM.search(shown) for shown in bare):
            found["self-harm"] = min(found["self-harm"], UNLIKELY_SCORE)
        if any(_THREAT.search(shown) for shown in bare):
            found["violence"] = max(found["violence"], THREAT_SCORE)
            found["toxicity"] = max(found["toxicity"], THREAT_SCORE)
        if any(_INSULT.search(shown) for shown in bare):
            found["harassment"] = max(found["harassment"], INSULT_SCORE)
            found["toxicity"] = max(found["toxicity"], INSULT_SCORE)
        return _judgement(found, swears=any(_PROFANITY.search(shown) for shown in bare))


def open_moderator(models: Path, table: StaticTable) -> Moderator:
    """Read the model."""
    return Moderator(open_ngrams(models / "toxicity.npz"), table)


def _windows(text: str) -> list[str]:
    """The sentences of a long text, few words joined to what follows."""
    windows: list[str] = []
    begun = ""
    for sentence in sentences_of(text):
        begun = f"{begun} {sentence}" if begun else sentence
        if len(begun) >= LEAST_WINDOW:
            windows.append(begun)
            begun = ""
    return [*windows, begun] if begun else windows


def _judgement(found: dict[str, float], *, swears: bool) -> Judgement:
    """The chances made a judgement: a text with a grave issue is toxic, and a toxic one has an issue."""
    toxicity = max(found["toxicity"], *(found[name] for name in GRAVE if found[name] >= ISSUE_FROM), 0.0)
    scores = {name: min(found.get(name, 0.0), 1.0 if name in GRAVE else toxicity) for name in CATEGORIES}
    scores["profanity"] = max(toxicity, ISSUE_FROM) if swears else 0.0
    issues = sorted((name for name in CATEGORIES if scores[name] >= ISSUE_FROM), key=lambda name: -scores[name])
    if toxicity >= FLAGGED_FROM and not issues:
        issues = [UNNAMED]
    return Judgement(
        toxicity=round(toxicity, DIGITS),
        categories={name: round(score, DIGITS) for name, score in scores.items()},
        issues=tuple(issues),
    )
