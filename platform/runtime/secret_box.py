"""Secrets at rest: sealed under the platform's own, or derived from it. A dump of the tables opens nothing."""

import hashlib
import hmac
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import Unavailable

_NONCE_BYTES: Final = 12
_VERSION: Final = b"\x01"


class SecretKeyMissing(Unavailable):
    """The process was started without the platform's secret key."""

    code = "secret_key_missing"
    title = "The platform has no secret key"


class SecretUnreadable(Unavailable):
    """A secret was sealed under another secret key than the present one."""

    code = "secret_unreadable"
    title = "A secret cannot be read"


class SecretBox:
    """Seals with AES-256-GCM. What a secret belongs to is sealed with it: under another name it does not open."""

    def __init__(self, secret_key: str | None) -> None:
        self._secret_key = secret_key

    def seal(self, secret: bytes, owner: str) -> bytes:
        """`secret`, so that only who has the secret key can read it.

        Raises:
            SecretKeyMissing: this process has none.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher().encrypt(nonce, secret, owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """The secret that was sealed for `owner`.

        Raises:
            SecretKeyMissing: this process has no secret key.
            SecretUnreadable: the key is another one, or this was sealed for somebody else.
        """
        start = len(_VERSION)
        nonce, rest = sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :]
        try:
            return self._cipher().decrypt(nonce, rest, owner.encode())
        except (InvalidTag, ValueError):
            raise SecretUnreadable(
                "It was sealed under another HEADRACE_SECRET_KEY. Set that one again, or rotate the secret."
            ) from None

    def derive(self, label: str) -> bytes:
        """32 secret bytes that follow from the secret key and `label`.

        Raises:
            SecretKeyMissing: this process has no secret key.
        """
        if self._secret_key is None:
            raise SecretKeyMissing("Set HEADRACE_SECRET_KEY, the same for every process.")
        return hmac.digest(self._secret_key.encode(), b"headrace|" + label.encode(), hashlib.sha256)

    def _cipher(self) -> AESGCM:
        return AESGCM(self.derive("seal"))


def signing_secret(box: SecretBox, tenant_id: str, generation: int) -> bytes:
    """What a tenant's deliveries to the URLs of single jobs are signed with; it can be told again at any time.

    Raises:
        SecretKeyMissing: this process has no secret key.
    """
    return box.derive(f"webhooks|{tenant_id}|{generation}")
