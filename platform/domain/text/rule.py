"""A rule about texts: a pattern, and words around which alone it is looked for."""

import re
from typing import Final

from msgspec import Struct

from domain.text.openings import Places

_LONGEST_THEN: Final = 64


class Rule(Struct, frozen=True, kw_only=True):
    """A family: its name, its pattern, and words of which one is in whatever that matches.

    That begins at most `before` characters before the word and ends at most `after` behind the word's beginning.

    `opens`: what stands in place of such a word, where a word would say too little. `needs`: of these, too, one is to
    be somewhere in the text, or what the pattern matches is taken for harmless.
    """

    name: str
    words: tuple[str, ...]
    before: int
    after: int
    opens: re.Pattern[str] | None
    needs: tuple[str, ...]
    pattern: re.Pattern[str]
    then: re.Pattern[str] | None = None
    within: int = 0

    def meets(self, places: Places) -> bool:
        """Whether the pattern is in the text, and what must follow it, if anything must, within so many characters."""
        shown = places.shown
        then = self.then
        for start, end in places.around(self.words, self.opens, self.before, self.after):
            if then is None:
                if self.pattern.search(shown, start, end):
                    return True
            elif any(
                (next_ := then.search(shown, (at := found.end()), at + self.within + _LONGEST_THEN))
                and next_.start() - at <= self.within
                for found in self.pattern.finditer(shown, start, end)
            ):
                return True
        return False


def rule_of(  # noqa: PLR0913 - what a rule is made of
    name: str,
    words: str,
    pattern: str,
    *,
    longest: int,
    before: int | None = None,
    after: int | None = None,
    opens: str | None = None,
    needs: str = "",
    then: str | None = None,
    within: int = 0,
) -> Rule:
    """A rule of such a name; `words` and `needs` are parted by `|`, and no match is longer than `longest`."""
    return Rule(
        name=name,
        words=tuple(words.split("|")) if words else (),
        before=longest if before is None else before,
        after=longest if after is None else after,
        opens=re.compile(opens) if opens else None,
        needs=tuple(needs.split("|")) if needs else (),
        pattern=re.compile(pattern),
        then=re.compile(then) if then else None,
        within=within,
    )
