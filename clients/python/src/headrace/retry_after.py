"""The header `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date."""

import math
import time
from email.utils import parsedate_to_datetime


def seconds_of(spelled: str | None) -> float | None:
    """The seconds it asks to wait, from now; None where there are none, or nothing one could read."""
    if not spelled:
        return None
    try:
        seconds = float(spelled)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(spelled).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
