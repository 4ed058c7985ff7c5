"""Spellings of URLs that must never be sent to, and a resolver that would lead to this very machine."""

# ruff: noqa: RUF001, S104 - what only looks like ASCII is what these are about; and nothing is bound

from collections.abc import Sequence
from typing import Final

_ADDRESSES: Final = (
    # this machine, in every spelling that some resolver understands
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0.0.0.0", "0", "00", "2130706433", "0x7f000001", "0x7f.1",
    "0x7f.0x0.0x0.0x1", "0177.0.0.1", "017700000001", "0177.1", "127.0.0.01", "127.0.0.0x1", "127.000.000.001",
    "١٢٧.٠.٠.١", "①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1", "127．0．0．1", "1２7.0.0.1",
    # networks of one's own, the cloud's metadata, and what was never given out
    "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.254", "169.254.169.254", "169.254.1.1", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "3232235521", "167772161",
)  # fmt: skip

_ADDRESSES_6: Final = (
    "::1", "::", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "::127.0.0.1", "::7f00:1",
    "::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1",
    "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::",
    "2002:a9fe:a9fe::1", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fe80::1", "febf::1", "fec0::1",
    "feff::1", "ff00::1", "ff02::1", "ff05::2", "4000::1", "::2", "8000::1",
)  # fmt: skip

_HOSTS: Final = (
    "localhost", "LOCALHOST", "localhost.", "app.localhost", "ｌｏｃａｌｈｏｓｔ", "loc\u00adalhost",
    "localhost.localdomain", "router",
    "intranet", "db.internal", "metadata.google.internal", "printer.local", "nas.lan", "box.home.arpa", "x.onion",
    "here.example.com", "mixed.example.com", "mapped.example.com", "metadata.example.com", "six.example.com",
    "nat64.example.com", "zone.example.com", "nonsense.example.com",
)  # fmt: skip

_WHOLE: Final = (
    "http://example.com/", "http://example.com:443/", "ftp://example.com/", "file:///etc/passwd",
    "gopher://example.com/",
    "data:text/plain,x", "javascript:alert(1)", "//example.com/", "example.com", "https:example.com",
    "https:/example.com", "https://", "https:///x", "https://@/", "https://user@example.com/", "https://user:word@example.com/",
    "https://example.com@127.0.0.1/", "https://127.0.0.1@example.com/", "https://example.com#@127.0.0.1/",
    "https://example.com?@127.0.0.1/#x", "https://example.com\\@127.0.0.1/", "https://127.0.0.1\\.example.com/",
    "https://example.com:22/", "https://example.com:80/", "https://example.com:6379/", "https://example.com:0/",
    "https://example.com:65536/", "https://example.com:99999/", "https://example.com:-1/", "https://example.com:/",
    "https://example.com:443:443/", "https://example.com :443/", "https://exa mple.com/", "https://example.com/a b",
    "https://example.com/\r\nHost: 127.0.0.1", "https://example.com/\nx", "https://example.com/\tx",
    "https://127.0.0.1%2f@example.com/", "https://%31%32%37.0.0.1/", "https://127.0.0.1%00.example.com/",
    "https://[::1", "https://::1/", "https://[::1]:80/", "https://[fe80::1%25lo]/", "https://[fe80::1%lo]/",
    "https://[v1.x]/", "https://[127.0.0.1]/", "https://[::1].example.com/", "https://.example.com/",
    "https://example..com/", "https://-example.com/", "https://example.com./", "https://exam_ple.com/",
    "https://*.example.com/", "https://example.com/%zz", "https://example.com/é", " https://example.com/",
    "https://example.com/ ", "HTTPS://127.0.0.1/", "hTTp://localhost/", "https://127.0.0.1:443/", "https://0x7f.1:443/",
    "https://" + "a" * 64 + ".com/", "https://" + "a." * 127 + "com/", "https://example.com/" + "a" * 2000,
)  # fmt: skip

FORMS: Final = (
    *(f"https://{host}/hook" for host in (*_ADDRESSES, *_HOSTS)),
    *(f"https://[{address}]/hook" for address in _ADDRESSES_6),
    *_WHOLE,
)

_RESOLVED: Final = {
    "here.example.com": ["127.0.0.1"],
    "mixed.example.com": ["93.184.215.14", "10.0.0.1"],
    "mapped.example.com": ["::ffff:127.0.0.1"],
    "metadata.example.com": ["169.254.169.254"],
    "six.example.com": ["::1"],
    "nat64.example.com": ["64:ff9b::7f00:1"],
    "zone.example.com": ["fe80::1%lo"],
    "nonsense.example.com": ["not an address"],
}


async def resolve(host: str) -> Sequence[str]:
    """What the names above resolve to; any other leads to this machine as well, so that no form passes by its name."""
    return _RESOLVED.get(host, ["127.0.0.1"])
