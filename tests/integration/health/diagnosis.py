"""What `reelq doctor` finds in one part, and the table of faults in its page."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from producer.cli.setup.doctor import checks_of, explained
from producer.health.findings import Finding, Level
from producer.health.together import run_together
from storage.settings import Settings
from tests.waiting import PATIENCE_S

PAGE = Path(__file__).parents[3] / "docs" / "doctor.md"
ROW = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


def rows() -> list[str]:
    """The faults of docs/doctor.md, in their order."""
    return ROW.findall(PAGE.read_text(encoding="utf-8"))


def diagnose(
    settings: Settings, part: str, directory: Path = Path("/nowhere"), *, gateways: bool = False
) -> list[Finding]:
    """The findings of one part, as doctor shows them: each one line without a secret, with its row in the page."""
    check = checks_of(settings, directory, gateways=gateways)[part]
    found = run_together({part: check}, PATIENCE_S, partial(explained, None))
    for finding in found:
        assert (finding.code is None) == (finding.level is Level.OK), finding
        assert finding.code is None or finding.code in rows(), finding
        assert "\n" not in finding.message and "Traceback" not in finding.message
        for secret in secrets_of(settings):
            assert secret not in finding.message
    return found


def secrets_of(settings: Settings) -> set[str]:
    """What no line may show."""
    urls = (urlsplit(url) for url in (settings.database_url, settings.broker_url) if url)
    keys = [account.api_key.get_secret_value() for account in settings.accounts if account.api_key is not None]
    store = settings.s3_secret_access_key
    found = {url.password for url in urls} | set(keys) | {store.get_secret_value() if store is not None else None}
    return {secret for secret in found if secret}


def assert_found(found: list[Finding], code: str, *words: str, level: Level = Level.BAD) -> Finding:
    """The finding with that code: of that level, and with these words."""
    matching = [finding for finding in found if finding.code == code]
    assert matching, f"{code} is not among {found}"
    assert matching[0].level is level
    for word in words:
        assert word in matching[0].message, f"{word!r} is not in: {matching[0].message}"
    return matching[0]


def assert_well(found: list[Finding], part: str) -> None:
    """The part works."""
    assert [finding.level for finding in found if finding.part == part] == [Level.OK], found
