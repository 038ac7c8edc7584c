"""`make dashboards`: write the dashboard."""

from __future__ import annotations

from tools.dashboards.document import PATH, text

PATH.write_text(text(), encoding="utf-8")
