"""Recipients of mail, as people write them."""

from __future__ import annotations

import pytest

from producer.intake.recipients import notify_as_text, read_notify
from seedance.problems import InvalidInput
from storage.webhooks.recipients import MAX_RECIPIENTS, Notify

ANNA, BEN = "anna@shop.example", "ben@shop.example"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, None),
        ([], None),
        (["none"], Notify(())),
        (["Default"], Notify(None)),
        ([f" {ANNA} ", BEN, ANNA], Notify((ANNA, BEN))),
    ],
)
def test_addresses_and_words_are_understood(given: list[str] | None, found: Notify | None) -> None:
    assert read_notify(given) == found
    if found is not None:
        assert read_notify(notify_as_text(found).split(", ")) == found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["anna"], "notify: must be a mail address such as anna@shop.example, not 'anna'"),
        (["none", ANNA], "notify: none cannot be combined with others"),
        ([f"{ANNA},{BEN}"], "notify: must be a mail address"),
        ([f"a{number}@shop.example" for number in range(MAX_RECIPIENTS + 1)], "notify: at most 20 addresses"),
    ],
)
def test_other_texts_are_refused(given: list[str], said: str) -> None:
    with pytest.raises(InvalidInput, match="notify") as caught:
        read_notify(given)
    assert str(caught.value).startswith(said)
