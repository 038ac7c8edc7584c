"""Names that look like settings but are none, and the settings that were probably meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from seedance.problems import similar
from storage.configuration.secrets import SUFFIX
from storage.settings import NOT_SETTINGS, PREFIX, Settings


def unknown_variables(environ: Mapping[str, str], settings: Settings) -> Iterator[tuple[str, str | None]]:
    """Each variable `REELQ_…` that nothing reads, with the setting that was probably meant; None: no name is close."""
    known = {PREFIX + field.upper() for field in Settings.model_fields} | NOT_SETTINGS
    for account in settings.every_account:
        named = (account.api_key_env, account.user_token_env, account.webhook_secret_env)
        known |= {name for name in named if name is not None}
    known |= {name + SUFFIX for name in known}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            yield name, similar(name, known)
