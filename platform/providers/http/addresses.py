"""Which addresses may be called: those of the public Internet, by a list of what is not.

The standard library's `is_private` and `is_global` are no such list: 100.64.0.0/10, NAT64, 6to4 and multicast slip
through them.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address

# IANA's special-purpose registries (RFC 6890 and what updated it), multicast, and what was never given out
_REFUSED_4: Final = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
# all that is given out to the public lies in 2000::/3; of that, what carries other addresses in it, or is for examples
_GIVEN_OUT_6: Final = IPv6Network("2000::/3")
_REFUSED_6: Final = ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

_NETWORKS_4: Final = tuple(IPv4Network(spelled) for spelled in _REFUSED_4)
_NETWORKS_6: Final = tuple(IPv6Network(spelled) for spelled in _REFUSED_6)
_LOOPBACK: Final[Sequence[IPv4Network | IPv6Network]] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def plain_address(address: Address) -> Address:
    """`address`, or the one of version 4 that it is another spelling of (`::ffff:192.0.2.1`)."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def is_public(address: Address) -> bool:
    """Whether `address` is one of the public Internet's. One with a zone (`fe80::1%eth0`) never is."""
    address = plain_address(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NETWORKS_4)
    return (
        address.scope_id is None and address in _GIVEN_OUT_6 and not any(address in network for network in _NETWORKS_6)
    )


def is_loopback(address: Address) -> bool:
    """Whether `address` is this machine's own."""
    address = plain_address(address)
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    return any(address.version == network.version and address in network for network in _LOOPBACK)
