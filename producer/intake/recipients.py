"""Who gets mail about a campaign, as people write it."""

from __future__ import annotations

from collections.abc import Sequence

from seedance.problems import InvalidInput, Problem
from storage.addresses.mail import address_problem
from storage.settings import Settings
from storage.webhooks.recipients import MAX_RECIPIENTS, Notify

NO_ONE, BY_TENANT = "none", "default"


def read_notify(given: Sequence[str] | None) -> Notify | None:
    """Parse addresses; "none": no one; "default": those whom the tenant names. None: it stays as it is.

    Raises:
        InvalidInput: one of them is no address, or there are too many.
    """
    if not given:
        return None
    texts = list(dict.fromkeys(text.strip() for text in given))
    words = [text.lower() for text in texts if text.lower() in (NO_ONE, BY_TENANT)]
    if words:
        if len(texts) > 1:
            raise InvalidInput([Problem("notify", f"{words[0]} cannot be combined with others")])
        return Notify(() if words[0] == NO_ONE else None)
    problems = [Problem("notify", problem) for text in texts if (problem := address_problem(text)) is not None]
    if problems:
        raise InvalidInput(problems)
    if len(texts) > MAX_RECIPIENTS:
        raise InvalidInput([Problem("notify", f"at most {MAX_RECIPIENTS} addresses; use a list of your mail server")])
    return Notify(tuple(texts))


def check_mail(notify: Notify | None, settings: Settings) -> None:
    """Check that mail can be sent, if an address is given.

    Raises:
        InvalidInput: no mail server is configured.
    """
    if notify is not None and notify.addresses and settings.smtp_url is None:
        message = "no mail can be sent: set smtp_url and smtp_from for the scheduler, the workers and this program"
        raise InvalidInput([Problem("notify", message)])


def notify_as_text(notify: Notify) -> str:
    """What `read_notify` reads, for the record."""
    if notify.addresses is None:
        return BY_TENANT
    return ", ".join(notify.addresses) or NO_ONE
