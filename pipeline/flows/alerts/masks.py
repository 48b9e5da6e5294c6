"""Personal data in texts: replaced by what kind of data it was. Ids and amounts stay.

What is masked: e-mail addresses, IP addresses, telephone numbers in international or grouped
American form, and runs of digits that are a payment card's by first digit, length and check digit.
"""

import ipaddress
import re
from typing import Final

_EMAIL: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})*")
_IPV4_LIKE: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)")
_IPV6_LIKE: Final = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?!\w)")
_CARD_LIKE: Final = re.compile(r"(?<!\d)[2-6]\d{3}(?:[ -]?\d){9,15}(?!\d)")
_PHONE_LIKE: Final = re.compile(
    r"(?<![\w+])\+\d(?:[ ().-]{0,2}\d){7,14}(?![\d.]*\d)"
    r"|(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"
)
_SIGNED_AMOUNT: Final = re.compile(r"\+\d+\.\d+")


def mask(text: str) -> str:
    """Replace personal data by what kind of data it was."""
    text = _EMAIL.sub("[e-mail]", text)
    text = _IPV6_LIKE.sub(_mask_ipv6, text)  # may end like an IPv4 address
    text = _IPV4_LIKE.sub(_mask_ipv4, text)
    text = _CARD_LIKE.sub(_mask_card, text)
    return _PHONE_LIKE.sub(_mask_phone, text)


def _mask_ipv4(match: re.Match[str]) -> str:
    return "[ip]" if all(int(part) <= 255 for part in match[0].split(".")) else match[0]


def _mask_ipv6(match: re.Match[str]) -> str:
    text = match[0]
    try:
        ipaddress.IPv6Address(text.strip(".").rstrip(":") if not text.endswith("::") else text)
    except ValueError:
        return text
    return "[ip]"


def _mask_card(match: re.Match[str]) -> str:
    """Source: ISO/IEC 7812-1, the Luhn check digit and the first digits of payment cards."""
    digits = [int(char) for char in match[0] if char.isdigit()]
    doubled = [
        digit if index % 2 == 0 else sum(divmod(digit * 2, 10))
        for index, digit in enumerate(reversed(digits))
    ]
    return "[card]" if sum(doubled) % 10 == 0 else match[0]


def _mask_phone(match: re.Match[str]) -> str:
    """Source: ITU-T E.164, at most 15 digits. What has one point and nothing else is an amount."""
    return match[0] if _SIGNED_AMOUNT.fullmatch(match[0]) else "[phone]"
