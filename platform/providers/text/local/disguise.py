"""Words disguised to get past a filter, read as they are meant: `sh1t`, `s h i t`, `sh*t`, look-alike letters."""

import re
import unicodedata
from typing import Final

from providers.text.local.words import plain

_LEET: Final = str.maketrans("01345789@$!+|\u20ac", "oieastbgasitie")
_ALIKE: Final = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u03bf\u03b1\u03b5\u03b9\u03ba\u03bd\u03c1\u03c4\u03c5\u03c7\u0131\u0251\u0261",
    "aeopcyxijshdoaeikvptuxiag",
)
_LEET_CHAR: Final = re.compile("[0-9@$!+|\u20ac]")
_LEET_WORD: Final = re.compile(
    r"(?<![\w@$])(?=\S{0,19}[^\W\d_])(?=\S{0,19}[0-9@$!+|\u20ac])[\w@$!+|\u20ac]{3,20}(?![\w@$]|\.\w)"
)
# 1st, 15kg, 3pm, b2b, mp3, wow!: digits and marks that disguise nothing
_HONEST: Final = re.compile(
    r"\d+[a-z]{0,3}[!+|]*|[a-z]{1,3}\d+|[a-z]2[a-z]|h2o|co2s?|k8s|w3c|i18n|l10n|a11y|@?\w*[^\W\d][!+|]+|@\w+"
)
_SPACED: Final = re.compile(r"(?<![\w'])[^\W\d_]([ .*_-]{1,2})(?:[^\W\d_]\1){2,}[^\W\d_](?![\w'])")
_AT: Final = re.compile(r"(?<!\w)@(?=ss(?:hole|hat|wipe|clown)?e?s?\b)", re.IGNORECASE)
_MIXED: Final = re.compile(r"(?=\w*[a-z])(?=\w*[\u0370-\u03ff\u0400-\u052f\u0131\u0251\u0261])\w+")
_STRETCHED: Final = re.compile(r"([^\W\d_])\1{2,}", re.IGNORECASE)
_STARRED: Final = re.compile(r"(?<!\w)[^\W\d_]+[*#]+[^\W\d_]*(?!\w)|(?<!\w)[*#]+[^\W\d_]{2,}(?!\w)")
_FEWEST_SHOWN: Final = 2

# What stars usually hide, the commonest first. Here to be found, never to be shown.
_HIDDEN: Final = """
    fuck fucking fucker fucked shit shitty bullshit bitch bitches cunt cunts dick dickhead asshole assholes
    arsehole pussy whore slut bastard nigger niggers nigga faggot faggots fag retard retarded retards tranny
    kike spic chink twat wank wanker cock piss pissed motherfucker rape kill suck porn tits damn crap
""".split()  # noqa: SIM905 - words read best as words


def undisguised(text: str, as_is: str | None = None) -> str:
    """The text as the models see it, with disguised words read as words; `as_is` is its plain form, where known."""
    short = _STRETCHED.sub(r"\1", _AT.sub("a", text) if "@" in text else text)
    bare = plain(short) if as_is is None or short != text else as_is
    if not bare.isascii():
        bare = _MIXED.sub(lambda word: word[0].translate(_ALIKE), bare)
        bare = "".join(char for char in unicodedata.normalize("NFD", bare) if not unicodedata.combining(char))
    bare = _SPACED.sub(lambda run: "".join(filter(str.isalpha, run[0])), bare)
    if "*" in bare or "#" in bare:
        bare = _STARRED.sub(lambda word: _unstarred(word[0]), bare)
    if not _LEET_CHAR.search(bare):
        return bare
    return _LEET_WORD.sub(lambda word: word[0] if _HONEST.fullmatch(word[0]) else word[0].translate(_LEET), bare)


def _unstarred(word: str) -> str:
    """The word the stars hide, where one of those usually hidden fits; else the letters alone."""
    if sum(map(str.isalpha, word)) < _FEWEST_SHOWN:
        return word
    hides = re.compile("".join("." if char in "*#" else re.escape(char) for char in word))
    letters = word.replace("*", "").replace("#", "")
    return next((hidden for hidden in _HIDDEN if hides.fullmatch(hidden)), letters)
