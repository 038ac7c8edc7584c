"""The first page shows the operator that several releases run, and no one else."""

from __future__ import annotations

from storage.database import connect
from storage.heartbeats import beat, own_version
from storage.settings import Settings
from tests.integration.api.api_server import serving
from tests.integration.api.web.test_page import make_key


def test_the_operator_sees_that_several_releases_run(configured: Settings) -> None:
    with connect(configured.require_database_url()) as conn:
        beat(conn, "transfer", "host1:7")
    operator, of_acme = (make_key(configured, "read", "admin", tenant=tenant) for tenant in ("default", "acme"))
    with serving(configured) as page:

        def first_page(key: str) -> str:
            answer = page.get("/", headers={"Authorization": f"Bearer {key}", "Accept-Language": "zh"})
            assert answer.status_code == 200 and "<h1" in answer.text
            return answer.text

        assert "host1:7" not in first_page(operator), "all are of one release"
        with connect(configured.require_database_url()) as conn:
            conn.execute("UPDATE heartbeats SET version = '0.0.1' WHERE component = 'transfer'")
        shown = first_page(operator)
        assert "0.0.1" in shown and "transfer host1:7" in shown and own_version() in shown
        assert "host1:7" not in first_page(of_acme)
