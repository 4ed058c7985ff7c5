"""How much all workers together ask of a provider in a minute, counted in Redis."""

from typing import Final

from providers.text.provider import ProviderRationed
from runtime.quotas import Wanted, open_quotas

_MINUTE_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 2.0  # a provider takes as long; and to ask it uncounted may be a call too many


class ProviderRates:
    """The limits of the provider `name`, counted in the Redis at `redis_url`. Close it when done.

    While Redis is away nothing is held back: the provider's own word still counts.
    """

    def __init__(
        self, redis_url: str, name: str, *, requests_per_minute: int | None, tokens_per_minute: int | None
    ) -> None:
        self._quotas = open_quotas(redis_url, answer_seconds=_ANSWER_SECONDS)
        self._name = name
        self._limits = [
            (unit, most)
            for unit, most in (("requests", requests_per_minute), ("tokens", tokens_per_minute))
            if most is not None
        ]

    async def take(self, tokens: int) -> None:
        """Count one request of so many tokens; one larger than a minute's limit counts as the whole of it.

        Raises:
            ProviderRationed: there is no room for it, and when there may be.
        """
        for unit, most in self._limits:
            wanted = 1 if unit == "requests" else min(tokens, most)
            drawn = await self._quotas.draw(Wanted(f"{self._name}:{unit}", most, _MINUTE_SECONDS, wanted, whole=True))
            if drawn is not None and drawn.count < wanted:
                raise ProviderRationed(
                    f"As many {unit} as may be were asked of the provider in this minute.",
                    retry_after_seconds=drawn.wait_seconds,
                )

    async def close(self) -> None:
        """Count nothing more."""
        await self._quotas.close()
