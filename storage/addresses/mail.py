"""Mail addresses: strict, because they become lines that mail servers read."""

from __future__ import annotations

import re

from seedance.problems import shorten

MAX_ADDRESS_CHARS = 254
# Letters, digits and marks that need no quotes; a host of at least one label. Nothing of it can end a line, begin a
# parameter or name a second address.
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"({_LOCAL})@({_LABEL}(?:\.{_LABEL})*)")
_SENDER = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
MAX_LOCAL_CHARS = 64


def address_problem(address: str) -> str | None:
    """Why a text is no address of the form `name@host.example`, None if it is one."""
    found = _ADDRESS.fullmatch(address)
    if found is None or len(address) > MAX_ADDRESS_CHARS or len(found[1]) > MAX_LOCAL_CHARS:
        return f"must be a mail address such as anna@shop.example, not {shorten(address)}"
    return None


def split_sender(text: str) -> tuple[str, str]:
    """The name and the address in `reelq <reelq@shop.example>`; the name is empty if there is only an address."""
    found = _SENDER.fullmatch(text.strip())
    if found is None:
        return "", text.strip()
    name = "".join(char for char in found["name"] if char.isprintable()).strip().strip('"')
    return name, found["address"].strip()
