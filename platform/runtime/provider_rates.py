"""How much all workers together ask of a provider in a minute, counted in Redis."""

from typing import Final

from providers.text.provider import ProviderRationed
from runtime.quotas import Quotas, Wanted

_MINUTE_SECONDS: Final = 60.0


class ProviderRates:
    """The limits of one provider. While Redis is away nothing is held back: the provider's own word still counts."""

    def __init__(
        self, quotas: Quotas, name: str, *, requests_per_minute: int | None, tokens_per_minute: int | None
    ) -> None:
        self._quotas = quotas
        self._limits = [
            (f"{name}:{unit}", most)
            for unit, most in (("requests", requests_per_minute), ("tokens", tokens_per_minute))
            if most is not None
        ]

    async def take(self, tokens: int) -> None:
        """Count one request of so many tokens; one larger than a minute's limit counts as the whole of it.

        Raises:
            ProviderRationed: there is no room for it, and when there may be.
        """
        for name, most in self._limits:
            wanted = 1 if name.endswith("requests") else min(tokens, most)
            drawn = await self._quotas.draw(Wanted(name, most, _MINUTE_SECONDS, wanted, whole=True))
            if drawn is not None and drawn.count < wanted:
                raise ProviderRationed(
                    f"As many {name.partition(':')[2]} as may be were asked of the provider in this minute.",
                    retry_after_seconds=drawn.wait_seconds,
                )

    async def close(self) -> None:
        """Count nothing more."""
        await self._quotas.close()
