"""The real `openai` package as the client."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import openai
import pytest


@pytest.fixture
def videos(api: httpx.Client) -> Iterator[openai.resources.Videos]:
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0) as client:
        yield client.videos
