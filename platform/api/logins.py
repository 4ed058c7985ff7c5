"""What stands between a password and those who guess it: few tries, of an account and from an address."""

import hashlib
from datetime import datetime
from typing import Final

import structlog
from msgspec import Struct

from domain.accounts.session import LoginThrottled
from runtime.settings import Settings
from storage.database import Tx
from storage.logins import count_attempt, forget_attempts, take_back_attempt

PERIOD_SECONDS: Final = 15 * 60.0

_LOG: Final = structlog.stdlib.get_logger(__name__)


class Tried(Struct, frozen=True, kw_only=True):
    """A login that was counted before it is known how it ends."""

    account: str
    address: str
    account_at: datetime | None
    address_at: datetime | None


async def count_login(tx: Tx, settings: Settings, *, email: str, address: str) -> Tried:
    """Count a login that is about to be tried: those that come at once count each other.

    Raises:
        LoginThrottled: too many have failed.
    """
    from_address = f"address:{address}"
    # whoever tries addresses that are nobody's leaves no list of them here
    of_account = f"account:{hashlib.sha256(email.lower().encode()).hexdigest()}"
    address_at = await _count(tx, from_address, settings.login_failures_per_address)
    account_at = await _count(tx, of_account, settings.login_failures_per_account)
    return Tried(account=of_account, address=from_address, account_at=account_at, address_at=address_at)


async def count_registration(tx: Tx, settings: Settings, *, address: str) -> Tried:
    """Count a registration, which fails where the address is somebody's: so few can be found out.

    Raises:
        LoginThrottled: too many have failed.
    """
    from_address = f"address:{address}"
    address_at = await _count(tx, from_address, settings.login_failures_per_address)
    return Tried(account="", address=from_address, account_at=None, address_at=address_at)


async def count_success(tx: Tx, tried: Tried) -> None:
    """Take back what was counted, for it has succeeded; the account's failures are forgotten."""
    if tried.address_at is not None:
        await take_back_attempt(tx, tried.address, tried.address_at)
    if tried.account:
        await forget_attempts(tx, tried.account)


async def count_untried(tx: Tx, tried: Tried) -> None:
    """Take back what was counted, for it was not tried after all."""
    for subject, at in ((tried.address, tried.address_at), (tried.account, tried.account_at)):
        if at is not None:
            await take_back_attempt(tx, subject, at)


async def _count(tx: Tx, subject: str, most: int) -> datetime | None:
    attempt = await count_attempt(tx, subject, most=most, seconds=PERIOD_SECONDS)
    if attempt.at is None:
        _LOG.warning("login.throttled", subject=subject.partition(":")[0], wait_seconds=round(attempt.wait_seconds))
        raise LoginThrottled(
            "Too many logins failed lately, for this account or from this address.",
            retry_after_seconds=attempt.wait_seconds,
        )
    return attempt.at
