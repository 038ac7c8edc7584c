"""A gateway that a test tells when to lose answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.submitting.doubtful_gateway import DoubtfulGateway, doubtful_gateway


@pytest.fixture
def gateway() -> Iterator[DoubtfulGateway]:
    with doubtful_gateway() as made:
        yield made
