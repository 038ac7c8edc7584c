"""The error answers of the object store, in XML."""

from __future__ import annotations

import secrets

from simulator.wire.answers import XML_TYPE, Answer
from simulator.wire.ark_error import ArkError

_CODES = {403: "AccessDenied", 404: "NoSuchKey", 429: "ExceedBandwidthLimit", 500: "InternalError"}


class Store:
    """Builds the error answers of downloads."""

    def failure(self, status: int, code: str, message: str) -> Answer:
        code = code or _CODES.get(status, "ServiceUnavailable")
        text = f"<?xml version='1.0' encoding='UTF-8'?>\n<Error><Code>{code}</Code><Message>{message or code}</Message>"
        return Answer(status, f"{text}<RequestId>{secrets.token_hex(12)}</RequestId></Error>".encode(), XML_TYPE)

    def busy(self) -> Answer:
        return self.failure(429, "", "Please reduce your request rate.")

    def unauthorized(self) -> Answer:
        return self.failure(403, "", "Access Denied")

    def no_money(self) -> Answer:
        return self.failure(403, "AccountOverdue", "The account is overdue.")

    def rejected(self, error: ArkError) -> Answer:
        return self.failure(error.status, error.code, error.message)

    def moderated(self, code: str, message: str) -> Answer:
        return self.failure(403, code, message)
