"""Responses of an object store, and the errors in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error in a response of the store. `region` and `endpoint`: where the store says that the bucket is."""

    code: str
    message: str
    region: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the store, with any status. `headers` have lower-case names; `body` is at most its first 64 KiB."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def etag(self) -> str:
        """The ETag, "" if there is none."""
        return self.headers.get("etag", "")

    @property
    def refusal(self) -> Refusal | None:
        """The error in the response, which may come with status 200; None if there is none."""
        return refusal_in(self.body)

    @property
    def code(self) -> str:
        """The code of the error, "" if there is none."""
        refusal = self.refusal
        return refusal.code if refusal is not None else ""

    @property
    def text(self) -> str:
        """The start of its body."""
        return self.body[:500].decode("utf-8", "replace")

    def describe(self) -> str:
        """One line for people."""
        refusal, text = self.refusal, self.text
        if refusal is not None:
            text = f"{refusal.code}: {refusal.message}"
        return f"HTTP {self.status}: {' '.join(text.split())}"


def refusal_in(answer: bytes) -> Refusal | None:
    """The error in a response, None if it has none that can be read."""
    root = parsed(answer) if b"Error" in answer else None  # most answers are empty
    if root is None or tag_of(root) != "Error":
        return None
    return Refusal(*(text_of(root, name) for name in ("Code", "Message", "Region", "Endpoint")))


def parsed(answer: bytes) -> ElementTree.Element | None:
    """The XML of a response, None if it is not XML."""
    try:
        return ElementTree.fromstring(answer.strip())  # noqa: S314 # short, from the operator's own store
    except ElementTree.ParseError:
        return None


def tag_of(element: ElementTree.Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def text_of(root: ElementTree.Element, name: str) -> str:
    """The text of a child, "" if there is none."""
    return next(((child.text or "").strip() for child in root if tag_of(child) == name), "")
