"""The `openai` package and Ark's SDK against a complete stack: the examples of the guides, and calls that need a real
video."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import omit

from tests.media_files import picture
from tests.stack import END_S, running_stack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]
GUIDE = Path(__file__).parents[2] / "docs" / "openai.md"
ARK_GUIDE = GUIDE.with_name("ark.md")


def test_the_example_of_the_guide_runs(tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    with running_stack(tmp_path) as stack:
        url = stack.info()["api"]
        stack.set_timing(kind="fixed", median_s=0.5)
        run = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", example],
            env=os.environ | {"REELQ_URL": url},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=END_S,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout == "completed None\n"
        assert (tmp_path / "fox.mp4").read_bytes()[4:8] == b"ftyp"
        assert (tmp_path / "fox.jpg").read_bytes()[:3] == b"\xff\xd8\xff"

        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            videos: Any = client.videos
            quick = {"poll_interval_ms": 200}
            first = videos.create_and_poll(prompt="a hat", input_reference=picture(720, 1280), **quick)
            assert (first.status, first.error, first.progress) == ("completed", None, 100)
            remix = videos.poll(videos.remix(first.id, prompt="a red hat").id, **quick)
            video = {"video": {"id": first.id}}
            longer = videos.extend(prompt="it falls", seconds="5", video=omit, extra_body=video)
            longer = videos.poll(longer.id, **quick)
            assert [remix.status, longer.status] == ["completed", "completed"], (remix.error, longer.error)
            stack.add_faults({"kind": "moderate_input", "prompt_contains": "forbidden"})
            failed = videos.create_and_poll(prompt="something forbidden", **quick)
            assert (failed.status, failed.error.code) == ("failed", "moderation_blocked")

            content = videos.download_content(remix.id).read()
            tasks = {task["prompt"]: task for task in stack.ledger()["tasks"]}
            assert len(tasks) == 4, "one for the example, and one for each request that was not refused"
            assert len(content) == tasks["a red hat"]["size"]
            [guide] = re.findall(r"```python\n(.*?)```", ARK_GUIDE.read_text(), re.DOTALL)
            run = subprocess.run(
                [sys.executable, "-c", guide],
                env=os.environ | {"REELQ_URL": url},
                capture_output=True,
                text=True,
                timeout=END_S,
                check=False,
            )
            assert run.returncode == 0, run.stderr
            status, link = run.stdout.split()
            assert status == "succeeded" and httpx.get(link).content[4:8] == b"ftyp"
            stack.assert_promises(stack.jobs())
            assert videos.delete(remix.id).deleted
            assert {item.id for item in videos.list()} >= {first.id, longer.id} and remix.id not in {
                item.id for item in videos.list()
            }
