"""Which kind of proof a row gets: a draft, a look, or the video itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from producer.intake.intake import Prepared, Row, prepare
from producer.intake.proofs import as_proofs
from storage.settings import Settings

_PRICE = {"per": "call", "currency": "CNY", "as_of": "2026-11-28"}
RATES = [{"price": 1, "resolutions": ["480p"], **_PRICE}, {"price": 10, **_PRICE}]
ARK = {"name": "ark", "gateway": "ark", "api_key": "sk-a", "rates": RATES}
FLAT = {"name": "flat", "gateway": "ark", "api_key": "sk-b", "rates": [{"price": 5, **_PRICE}]}
OTHER = {"name": "other", "gateway": "anyfast", "api_key": "sk-c"}
DRAFTS = {"model": "seedance-2.5"}


def proof_of(account: dict[str, Any], **fields: Any) -> tuple[Prepared, Prepared]:
    """A job and its proof."""
    settings = Settings.model_validate({"accounts": [account]})
    [job] = prepare([Row("", {"prompt": "a lamp"} | fields)], settings, None).jobs
    [proof] = as_proofs([job], settings, {})
    return job, proof


@pytest.mark.parametrize(
    ("fields", "final", "price"),
    [
        ({}, {}, 10.0),
        ({"resolution": "1080p", "output_format": "mov"}, {"resolution": "1080p", "output_format": "mov"}, 10.0),
        ({"return_last_frame": True, "watermark": False}, {"return_last_frame": True, "watermark": False}, 10.0),
    ],
)  # fmt: skip
def test_a_draft_where_its_final_can_be_what_the_row_asks_for(
    fields: dict[str, Any], final: dict[str, Any], price: float
) -> None:
    job, proof = proof_of(ARK, **DRAFTS, **fields)
    assert (proof.request["draft"], proof.request["resolution"]) == (True, "480p")
    assert not {"output_format", "return_last_frame", "watermark"} & proof.request.keys()
    assert proof.later is not None and proof.later.of_draft
    assert (proof.later.fields, proof.later.prices) == (final, {"ark": {"CNY": price}})
    assert proof.prices == {"ark": {"CNY": 1.0}} and proof.row == job.row


@pytest.mark.parametrize("fields", [DRAFTS | {"resolution": "720p"}, {"resolution": "1080p"}, {}])
def test_a_look_otherwise(fields: dict[str, Any]) -> None:
    job, proof = proof_of(ARK, **fields)
    assert proof.request == job.request | {"resolution": "480p"}
    assert proof.later is not None and not proof.later.of_draft
    assert proof.later.fields["resolution"] == fields.get("resolution")
    assert proof.later.prices == job.prices


@pytest.mark.parametrize(
    ("account", "fields"),
    [(ARK, {"resolution": "480p"}), (FLAT, {"resolution": "1080p"}), (ARK, DRAFTS | {"draft": True})],
    ids=["the lowest already", "no cheaper", "a draft already"],
)
def test_what_is_the_cheapest_already_is_made_as_it_is(account: dict[str, Any], fields: dict[str, Any]) -> None:
    job, proof = proof_of(account, **fields)
    assert proof == job and proof.later is None


def test_without_a_price_a_lower_resolution_than_asked_is_a_look() -> None:
    settings = Settings.model_validate({"accounts": [OTHER]})
    for resolution, is_look in (("720p", True), (None, False)):
        [job] = prepare([Row("", {"prompt": "a lamp", "resolution": resolution})], settings, None).jobs
        [proof] = as_proofs([replace(job, prices={"other": {}})], settings, {})
        assert (proof.later is not None) is is_look
