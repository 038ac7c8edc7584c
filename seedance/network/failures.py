"""What a call without an answer proves: the rule by which a POST may be made again."""

from __future__ import annotations

import aiohttp

from seedance.errors import GatewayError, NotSent, NotTried, Operation, OutcomeUnknown, Unavailable
from seedance.network.sessions import NoFreeConnection, NotConnected, failure_text

# Raised before the first byte of a request is written; everything else may come after it. `direct` raises the first.
_BEFORE_SENDING = (NotConnected, aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


def translate_failure(exc: BaseException, gateway: str, operation: Operation) -> GatewayError:
    """Translate a failure without an answer into an error of the tree.

    `NotSent` only if the exception's class proves that no byte of the request was written, and `NotTried` if that was
    because all our connections were in use. Everything else is `OutcomeUnknown` for a submit, and `Unavailable` for a
    query or download, which can be repeated.
    """
    text = failure_text(exc)
    if isinstance(exc, NoFreeConnection):
        return NotTried(text, gateway=gateway, operation=operation)
    if isinstance(exc, _BEFORE_SENDING):
        return NotSent(text, gateway=gateway, operation=operation)
    if operation == "submit":
        return OutcomeUnknown(text, gateway=gateway, operation=operation)
    return Unavailable(text, gateway=gateway, operation=operation)
