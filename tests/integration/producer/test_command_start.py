"""What a command imports before it does anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from producer import Producer
from storage.settings import Settings
from tests.servers import environ_for
from tests.waiting import PATIENCE_S

ACCOUNTS = [{"name": "main", "gateway": "anyfast", "api_key": "sk-secret-key"}]
HEAVY = (
    *("sqlalchemy", "sqlmodel", "celery", "boto3", "botocore", "httpx", "aiohttp", "fastapi", "alembic"),
    *("openpyxl", "av", "PIL", "jinja2", "yaml", "redis", "reelq_client"),
)
UNUSED = (
    *HEAVY,
    *("rich", "attr", "pygments", "markdown_it", "greenlet"),
    *("producer.campaigns.planning.plan", "producer.operator_actions.standstill"),
    "producer.campaigns.reading.encodings.likelihood",
)
"""What neither a list nor a run without questions needs."""
COUNTED = f"""
import sys
class Depths:
    found = {{}}
    def find_spec(self, name, *_):
        if name in ("psycopg", "tomllib"):
            frame, depth = sys._getframe(), 0
            while frame := frame.f_back:
                depth += 1
            self.found[name] = depth
sys.meta_path.insert(0, Depths())
from producer.cli.main import run
code = run(sys.argv[1:])
deep = {{name: depth for name, depth in Depths.found.items() if depth > 50}}
print(code, [name for name in {UNUSED!r} if name in sys.modules], deep, file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["jobs", "list"], ["campaign", "run", "rows.jsonl", "--name", "spring"]])
def test_a_command_imports_little(settings: Settings, tmp_path: Path, arguments: list[str]) -> None:
    """And imports long chains of modules while its stack is short; see `producer.cli.commands`."""
    with Producer(Settings.model_validate(settings.model_dump() | {"accounts": ACCOUNTS})) as producer:
        producer.enqueue_many([{"prompt": f"shot {number}"} for number in range(50)])
    environ = environ_for(settings) | {"REELQ_ACCOUNTS": json.dumps(ACCOUNTS)}
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"prompt": f"row {n}"}) + "\n" for n in range(4)))
    result = subprocess.run(
        [sys.executable, "-c", COUNTED, *arguments],
        env=os.environ | environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert result.stderr.splitlines()[-1] == "0 [] {}"
    assert len(result.stdout.splitlines()) == (51 if arguments[0] == "jobs" else 0)
