"""What posts to addresses that tenants name, within the rules of the settings."""

from providers.http.outbound import Outbound
from providers.http.target import Rules
from runtime.settings import Settings


def open_outbound(settings: Settings) -> Outbound:
    """It holds nothing open: each request has a connection of its own."""
    return Outbound(Rules(ports=settings.webhook_port_numbers, loopback=bool(settings.webhook_loopback)))
