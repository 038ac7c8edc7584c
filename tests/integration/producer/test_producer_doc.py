"""The programs of docs/producer.md run as they are printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg

from storage.settings import Settings
from tests.servers import environ_for
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[3]
ACCOUNT = '[[accounts]]\nname = "main"\ngateway = "anyfast"\napi_key = "k"\n'


def test_every_program_of_the_page_runs(configured: Settings, tmp_path: Path) -> None:
    programs = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs" / "producer.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert len(programs) == 5
    (tmp_path / "reelq.toml").write_text(ACCOUNT)
    with psycopg.connect(configured.require_database_url()) as conn:
        conn.execute("CREATE TABLE orders (name text)")
    code = "import sys\nfor program in sys.argv[1:]:\n    exec(compile(program, 'docs/producer.md', 'exec'), {})\n"
    done = subprocess.run(
        [sys.executable, "-c", code, *programs],
        env={**os.environ, **environ_for(configured), "REELQ_CONFIG": str(tmp_path / "reelq.toml")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with psycopg.connect(configured.require_database_url()) as conn:
        orders = conn.execute("SELECT name FROM orders").fetchall()
        prompts = conn.execute("SELECT request->>'prompt' FROM jobs").fetchall()
    assert sorted(name for (name,) in orders) == ["boat", "kite", "lamp"]
    assert sorted(prompt for (prompt,) in prompts) == [
        "A kite above the dunes",
        "A lamp in the fog",
        "A lamp in the fog",
        *["A paper boat on a rainy street"] * 2,
        *[f"A paper boat, take {number}" for number in range(3)],
    ]
