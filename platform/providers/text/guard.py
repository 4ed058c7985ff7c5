"""A circuit breaker around one engine, for one process: the rule is `domain.text.breaker`, the clock is handed in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from domain.errors import HeadraceError
from domain.text.breaker import Breaker, BreakerRule, answered, asked, failed, held, left, wait_of
from providers.text.provider import Costly, ProviderDown, ProviderRationed, ProviderThrottled

log: Final = structlog.get_logger()

_EPISODE_SECONDS: Final = 1.0  # where a throttling provider names no time


class Guard:
    """Lets questions through to an engine, or refuses them at once. Used on one event loop."""

    def __init__(self, engine: str, rule: BreakerRule, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._rule = rule
        self._clock = clock
        self.breaker = Breaker()

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
        is_learned = False
        try:
            yield
            self._turn(answered(self.breaker, is_probe=is_probe))
            is_learned = True
        except ProviderRationed:
            raise
        except ProviderThrottled as throttled:
            seconds = throttled.retry_after_seconds
            until = self._clock() + (_EPISODE_SECONDS if seconds is None else seconds)
            self._turn(held(self.breaker, until, is_probe=is_probe))
            is_learned = True
            raise
        except ProviderDown:
            self._turn(failed(self.breaker, self._rule, self._clock(), is_probe=is_probe))
            is_learned = True
            raise
        except HeadraceError as failure:
            if isinstance(failure, Costly):  # it lives, whatever it says
                self._turn(answered(self.breaker, is_probe=is_probe))
                is_learned = True
            raise
        finally:
            if not is_learned:
                self.breaker = left(self.breaker, is_probe=is_probe)

    def _refuse_early(self) -> None:
        wait = wait_of(self.breaker, self._clock())
        if wait <= 0:
            return
        if self.breaker.open_until is None:
            raise ProviderThrottled(f"{self._engine} asked to be left alone for a while.", retry_after_seconds=wait)
        raise ProviderDown(f"{self._engine} failed too often of late; it is left alone.", retry_after_seconds=wait)

    def _turn(self, after: Breaker) -> None:
        before, self.breaker = self.breaker, after
        if before.open_until is None and after.open_until is not None:
            log.error(
                "text.breaker_opened", engine=self._engine, failures=after.failures, seconds=self._rule.rest_seconds
            )
        elif before.open_until is not None and after.open_until is None:
            log.info("text.breaker_closed", engine=self._engine)
        if after.held_until is not None and after.held_until != before.held_until:
            log.warning("text.held", engine=self._engine, seconds=round(after.held_until - self._clock(), 3))
