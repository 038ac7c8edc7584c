"""Who decided, in the reader's language."""

from __future__ import annotations

from producer.web.language import Catalogue
from storage.actors import kind_of


def actor_in(words: Catalogue, actor: str) -> str:
    """An actor with its kind in the language of `words`; its name stays as it is."""
    kind, name = kind_of(actor)
    return actor if kind is None else words.text(f"actor.{kind.name.lower()}", name=name)
