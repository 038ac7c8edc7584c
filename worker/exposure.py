"""Flower does not start where other machines can reach it without a password.

Its pages name accounts, jobs and receivers of every tenant. This holds for `python -m worker.watching.flower` and for
Celery's own `celery -A worker flower`, which listens on every address by default.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from celery import signals

from storage.addresses.own import is_loopback

MIN_PASSWORD = 12


def why_refused(address: str, unix_socket: str, basic_auth: Sequence[str], oauth: str) -> str | None:
    """Why Flower must not start like this, as a sentence; None: it may.

    `address` "": every address. `basic_auth`: pairs `user:password`. `oauth`: a pattern of mail addresses.
    """
    for pair in basic_auth:
        user, colon, password = pair.partition(":")
        if not user or not colon or len(password) < MIN_PASSWORD:
            return f"FLOWER_BASIC_AUTH: must be user:password, with at least {MIN_PASSWORD} characters in the password"
    if unix_socket or (address and is_loopback(address)) or basic_auth or oauth:
        return None
    where = address or "every address of this machine"
    return (
        f"Flower would listen on {where} without a password; set FLOWER_BASIC_AUTH=user:password"
        " (or FLOWER_BASIC_AUTH_FILE), or OAuth (FLOWER_AUTH and FLOWER_AUTH_PROVIDER), or use --address=127.0.0.1"
    )


def check_exposure(options: Any) -> None:
    """End the process with code 2 if Flower's options would open it to others."""
    refused = why_refused(
        options.address or "", options.unix_socket or "", options.basic_auth or (), options.auth or ""
    )
    if refused is not None:
        sys.stderr.write(f"reelq: {refused}\n")
        sys.exit(2)


def install() -> None:
    """Also check when Celery's own command starts Flower."""
    signals.import_modules.connect(_check_celerys_command)


def _check_celerys_command(**_: Any) -> None:
    """`celery -A worker flower` has read its options when it imports the tasks."""
    if "flower" in sys.argv[1:] and os.path.basename(sys.argv[0]) in ("celery", "__main__.py"):
        check_exposure(sys.modules["flower.options"].options)
