"""A circuit breaker around one engine, for one process: the rule is `domain.text.breaker`, the clock is handed in."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

import structlog

from domain.errors import HeadraceError
from domain.text.breaker import Breaker, BreakerRule, EngineStanding, answered, asked, failed, held, left, wait_of
from providers.text.provider import Costly, ProviderDown, ProviderRationed, ProviderThrottled

log: Final = structlog.get_logger()

OnAsked = Callable[[str, str, float], None]
"""Is told which engine a question was put to, how that ended and how many seconds it took."""

_EPISODE_SECONDS: Final = 1.0  # where a throttling provider names no time


def nobody_is_told(_engine: str, _outcome: str, _seconds: float) -> None:
    """Nothing is done about it."""


class Guard:
    """Lets questions through to an engine, or refuses them at once. Used on one event loop."""

    def __init__(
        self, engine: str, rule: BreakerRule, clock: Callable[[], float], on_asked: OnAsked = nobody_is_told
    ) -> None:
        self._engine = engine
        self._rule = rule
        self._clock = clock
        self._on_asked = on_asked
        self.breaker = Breaker()
        self._opened_at: float | None = None
        self._counts: Counter[str] = Counter()

    @property
    def standing(self) -> EngineStanding:
        """How the engine is by now, and what there was since the process started."""
        now, wait = self._clock(), wait_of(self.breaker, self._clock())
        is_open = self.breaker.open_until is not None
        state: Literal["closed", "held", "open", "probing"] = "held" if wait > 0 else "closed"
        if self.breaker.open_until is not None:
            state = "open" if self.breaker.open_until > now else "probing"
        since = now - self._opened_at if is_open and self._opened_at is not None else None
        return EngineStanding(
            name=self._engine, state=state, wait_seconds=wait, open_seconds=since, **dict(self._counts)
        )

    def fell_back(self) -> None:
        """Count a question that the next engine was asked in this one's place."""
        self._counts["fallbacks"] += 1

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around one question; what it raises says how the engine is. One cut short is learned nothing from.

        Raises:
            ProviderThrottled: the engine asked not to be asked yet.
            ProviderDown: it failed too often of late, and it is not time to try again.
        """
        self._refuse_early()
        breaker, is_probe = asked(self.breaker)
        self.breaker = breaker
        self._counts["calls"] += 1
        is_learned = False
        began = self._clock()
        outcome: str | None = "cut_short"
        try:
            yield
            outcome = "answered"
            self._turn(answered(self.breaker, is_probe=is_probe))
            is_learned = True
        except ProviderRationed:
            self._counts["calls"] -= 1  # nobody was asked
            outcome = None
            raise
        except ProviderThrottled as throttled:
            outcome = "throttled"
            self._counts["throttled"] += 1
            seconds = throttled.retry_after_seconds
            until = self._clock() + (_EPISODE_SECONDS if seconds is None else seconds)
            self._turn(held(self.breaker, until, is_probe=is_probe))
            is_learned = True
            raise
        except ProviderDown:
            outcome = "failed"
            self._counts["failures"] += 1
            self._turn(failed(self.breaker, self._rule, self._clock(), is_probe=is_probe))
            is_learned = True
            raise
        except HeadraceError as failure:
            if not isinstance(failure, Costly):
                self._counts["calls"] -= 1  # no budget, or no database to ask for one
                outcome = None
            else:  # it lives, whatever it says
                outcome = "unfit"
                self._turn(answered(self.breaker, is_probe=is_probe))
                is_learned = True
            raise
        finally:
            if outcome is not None:
                self._on_asked(self._engine, outcome, self._clock() - began)
            if not is_learned:
                self.breaker = left(self.breaker, is_probe=is_probe)

    def _refuse_early(self) -> None:
        wait = wait_of(self.breaker, self._clock())
        if wait <= 0:
            return
        self._counts["refused"] += 1
        if self.breaker.open_until is None:
            raise ProviderThrottled(f"{self._engine} asked to be left alone for a while.", retry_after_seconds=wait)
        raise ProviderDown(f"{self._engine} failed too often of late; it is left alone.", retry_after_seconds=wait)

    def _turn(self, after: Breaker) -> None:
        before, self.breaker = self.breaker, after
        if before.open_until is None and after.open_until is not None:
            self._opened_at = self._clock()
            self._counts["opened"] += 1
            log.error(
                "text.breaker_opened", engine=self._engine, failures=after.failures, seconds=self._rule.rest_seconds
            )
        elif before.open_until is not None and after.open_until is None:
            log.info("text.breaker_closed", engine=self._engine)
        if after.held_until is not None and after.held_until != before.held_until:
            log.warning("text.held", engine=self._engine, seconds=round(after.held_until - self._clock(), 3))
