"""Text without secrets: passwords, tokens and keys are replaced by ***.

`redact(text)` is for every text that is shown or stored. `remember(source)` makes it
know the secrets of a source, so that it finds them in any other text as well, such as a
library's message.
"""

from __future__ import annotations

import re
import sys
import threading
import traceback
from base64 import b64encode
from typing import Any, Dict, Iterator, Set
from urllib.parse import quote, unquote

from edge.core.addresses import (
    BROKER,
    EXAMPLE,
    HIDDEN,
    SECRET_KEY,
    is_address,
    is_local,
    may_be_key,
    redact_address,
    split_address,
    split_host,
    split_path,
)

SHORTEST = 3  # characters of a secret that is looked for in other texts
SHORT = 8  # a shorter one is replaced only as a whole word

IN_TEXT = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,30}:[/\\]+\S+")
LOGIN = re.compile(  # user:password@host without a scheme; not C:/name@home
    r"(?<![\w*])(?:\w{1,12}:)?[^\s:/@'\"()]{1,99}:(?![/\\])([^\s'\"]{1,199})@(?=[\w\[*])"
)
BARE = re.compile(  # the same as a whole source
    r"[^\s/@:]+:(?![/\\])(.+)@([\w\[][^@]*)", re.DOTALL
)
PAIR = re.compile(
    rf"(?i)((?<![\w.-])[\w.-]*?{SECRET_KEY}(?:=|\s*=\s*(?=[\"'])|[\"']\s*:\s*(?=[\"'])))"
    r"(\"[^\"]*\"|'[^']*'|[^\s&;,\"'!)]*[^\s&;,\"'!):.])"
)
# As in YAML, INI files and headers; prose such as "token: use 8 characters" goes on.
LINE = re.compile(
    r"(?im)((?<![\w.-])(?:[\w.-]*[._-])?(?:password|passwd|passphrase|passcode|pwd"
    r"|passwort|kennwort|secret|token|api[_-]?key)\s*[:=][ \t]+)"
    r"([^\s,;)}\]]+)(?=\s*(?:[\n,;)}\]]|$))"
)
OPTION = re.compile(rf"(?i)(--?(?:[\w-]+-)?{SECRET_KEY}\s+)(?!-)(\S+)")
HEADER = re.compile(  # a pipeline has a backslash before the space
    r"(?i)((?:proxy-)?authorization\s*[:=]\s*(?:\(\w+\))?[\\\"']*\s*(?:\w+\\?\s+)?"
    r"|bearer\\?\s+)([^\s\\\"']+)"
)


class Secrets:
    """Secrets of the sources of this process."""

    def __init__(self) -> None:
        self._sources: Dict[str, str] = {}  # as given: as shown
        self._words: Set[str] = set()

    def add(self, source: str) -> None:
        """Remember a source, or a word of a command line, that has an address in it.

        Others are ignored.
        """
        source = re.sub(r"^--[\w-]+=", "", source)
        for address in addresses_in(source):
            shown = redact_address(address, source=True)
            if shown != address:
                self._sources[address] = shown
                self._words.update(secret_words(address))
        for match in PAIR.finditer(source):
            self._words.update(spellings(match[2].strip("\"'")))
        for match in LOGIN.finditer(source):
            self._words.update(spellings(match[1]))
        for match in HEADER.finditer(source):
            self._words.update(spellings(match[2]))
        bare = BARE.fullmatch(source)
        if bare and not is_address(source):
            self._sources[source] = f"{HIDDEN}@{bare[2]}"
            self._words.update(spellings(bare[1]))

    def replace(self, text: str) -> str:
        """The text with *** instead of the secrets, in each spelling."""
        for source in sorted(self._sources, key=len, reverse=True):
            text = text.replace(source, self._sources[source])
        for word in sorted(self._words, key=len, reverse=True):
            if word not in text:
                continue
            pattern = re.escape(word)
            if len(word) < SHORT:
                pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
            text = re.sub(pattern, HIDDEN, text)
        return text


def addresses_in(source: str) -> Iterator[str]:
    """The addresses of a source: itself, or those in the quotes and words of a text."""
    if is_address(source):
        yield source
        return
    for quoted in re.findall(r"\"([^\"]*)\"|'([^']*)'", source):
        yield from filter(is_address, quoted)
    yield from IN_TEXT.findall(source)


def secret_words(address: str) -> Iterator[str]:
    """Every part of an address that `redact_address` hides, in each spelling."""
    scheme, login, rest = split_address(address)
    if is_local(address):
        return
    user, colon, password = (login or "").partition(":")
    # The user name of a broker stands in topics too; some brokers want a key there.
    if colon or not scheme.startswith(BROKER) or may_be_key(user):
        yield from spellings(password if colon else user)
    if login:
        encoded = b64encode(unquote(login).encode("utf-8", "surrogateescape"))
        yield encoded.decode().rstrip("=")
    parts = split_host(rest)
    if parts is None or "@" in rest:
        yield from spellings(rest.rpartition("@")[0] or rest)
    if parts is None:
        return
    path, query, fragment = split_path(parts[2])
    harmless = redact_address(address, source=True)
    shown = set(re.split(r"[/?&;#]", f"{harmless}/{unquote(harmless)}"))
    for text in (f"{path}&{query}", unquote(f"{path}&{query}")):
        for part in re.split(r"[/&;]", text):
            if part not in shown:
                key, _, value = part.partition("=")
                yield from spellings(value or key)
                if f"{key}=" not in harmless:
                    yield from spellings(part)
    yield from spellings(fragment)
    if scheme.startswith("rtmp"):
        yield from spellings(parts[2].partition("/")[2].partition("/")[2])


def spellings(secret: str) -> Iterator[str]:
    """A secret as given, with %-codes decoded, and encoded, if it is long enough."""
    plain = unquote(secret)
    for text in (secret, plain, quote(plain, safe=""), quote(plain)):
        if len(text) >= SHORTEST and text != HIDDEN:
            yield text


SECRETS = Secrets()


def remember(source: str) -> None:
    """Make `redact` hide the secrets of a source wherever they appear."""
    SECRETS.add(source)


def redact(text: str) -> str:
    """A text of any kind without the secrets in it.

    >>> redact("no video at http://camera/a.cgi?user=me&pwd=abc: status 401")
    'no video at http://camera/a.cgi?user=***&pwd=***: status 401'
    >>> redact("rtspsrc location=rtsp://me:abc@camera user-pw=abc ! appsink")
    'rtspsrc location=rtsp://***@camera user-pw=*** ! appsink'
    """
    text = SECRETS.replace(text)
    if not any(sign in text for sign in ":="):
        return text
    text = HEADER.sub(lambda match: match[1] + HIDDEN, text)
    text = IN_TEXT.sub(lambda match: redact_found(match[0]), text)
    text = LOGIN.sub(
        lambda match: match[0] if match[0] == f"{EXAMPLE}@" else f"{HIDDEN}@", text
    )
    text = PAIR.sub(lambda match: match[1] + HIDDEN, text)
    text = LINE.sub(lambda match: match[1] + HIDDEN, text)
    if "unrecognized arguments" in text:
        text = OPTION.sub(lambda match: match[1] + HIDDEN, text)
    return text


def redact_found(found: str) -> str:
    """An address within a text, with the punctuation that follows it."""
    address = found.rstrip(".,:;)}'\"`>!?")
    shown = redact_address(address)
    return shown + found[len(address) :] if HIDDEN in shown else found


def hide_in_tracebacks() -> None:
    """Print the tracebacks of unexpected errors without secrets, in all threads."""
    sys.excepthook = print_traceback
    threading.excepthook = lambda given: print_traceback(
        given.exc_type, given.exc_value, given.exc_traceback
    )


def print_traceback(kind: Any, error: Any, trace: Any) -> None:
    """Print an error as Python does, without secrets; a thread may exit silently."""
    if sys.stderr is not None and not issubclass(kind, SystemExit):
        lines = traceback.format_exception(kind, error, trace)
        print(redact("".join(lines)), end="", file=sys.stderr, flush=True)
