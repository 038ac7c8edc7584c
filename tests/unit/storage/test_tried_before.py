"""The SQL that tells jobs that came back from others names the same reasons as `TRIED_BEFORE`, and the same moments as
the settings of links and alarms."""

from __future__ import annotations

import re

from seedance.link_expiry import URGENT_SHARE
from storage.jobs.claims import TRIED, URGENT_AT
from storage.jobs.expiry_alarms import LEVELS, NEXT_ALARM_AT
from storage.jobs.reasons import TRIED_BEFORE


def test_the_sql_names_the_reasons_of_jobs_that_came_back() -> None:
    assert re.findall(r"'(\w+)'", TRIED) == list(TRIED_BEFORE)


def test_the_sql_knows_when_a_copy_becomes_urgent() -> None:
    assert re.findall(r"\* ([\d.]+)", URGENT_AT) == [str(1 - URGENT_SHARE)]


def test_the_sql_knows_the_levels_of_alarms() -> None:
    shares = [float(share) for share in re.findall(r"(?:THEN|ELSE) ([\d.]+)", NEXT_ALARM_AT)]
    assert shares == [level / 100 for level in LEVELS]
