"""Which accounts can serve a job: several accounts of several gateways, their own tiers, and files of this machine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from producer.intake.intake import Row, prepare
from producer.intake.media_check import MediaFacts
from producer.intake.routing import able, fits
from seedance.account import Account
from seedance.delivery import Delivery, delivery_of
from seedance.problems import InvalidInput
from seedance.request import GenerationRequest
from storage.settings import Settings, load_settings

ANY = {"name": "any", "gateway": "anyfast", "api_key": "k"}
UNI = {"name": "uni", "gateway": "uniall", "api_key": "k", "base_url": "https://uniall.example"}
TWELVE = {"name": "twelve", "gateway": "12ai", "api_key": "k"}
EVO = {"name": "evo", "gateway": "evolink", "api_key": "k"}
ARK = {"name": "ark", "gateway": "ark", "api_key": "k"}
FAST = {"name": "fast", "gateway": "ark", "api_key": "k", "models": {"fast": "ep-1"}}
ALL = [ANY, UNI, TWELVE, EVO, ARK, FAST]
IMAGE = "upload://" + "0" * 64 + ".png"
VIDEO = "upload://" + "1" * 64 + ".mp4"


def settings(*accounts: dict[str, Any], **more: Any) -> Settings:
    return Settings.model_validate({"accounts": accounts or ALL} | more)


def names(
    fields: dict[str, Any], found: Settings | None = None, pin: str | None = None, **facts: MediaFacts
) -> list[str]:
    request = GenerationRequest.model_validate({"prompt": "x"} | fields)
    known = {IMAGE: facts["image"]} if "image" in facts else {}
    known |= {VIDEO: facts["video"]} if "video" in facts else {}
    return [account.name for account in able(fits(request, found or settings(), pin, known))]


@pytest.mark.parametrize(
    ("fields", "served_by"),
    [
        ({}, ["any", "uni", "twelve", "evo", "ark"]),
        ({"tier": "fast"}, ["any", "uni", "twelve", "evo", "ark", "fast"]),
        ({"tier": "mini"}, ["any", "uni", "evo", "ark"]),
        ({"resolution": "4k"}, ["uni", "ark"]),
        ({"resolution": "1080p"}, ["uni", "evo", "ark"]),
        ({"duration": -1}, ["any", "ark"]),
        ({"model": "seedance-2.5"}, ["any", "evo", "ark"]),
        ({"model": "seedance-2.5", "resolution": "4k", "duration": 30}, ["ark"]),
        ({"model": "seedance-2.0"}, ["any", "uni", "twelve", "evo", "ark"]),
        ({"model": "seedance-2.0", "tier": "fast"}, ["any", "uni", "twelve", "evo", "ark", "fast"]),
        ({"model": "seedance-2.0-mini"}, ["any", "uni", "evo", "ark"]),
        ({"duration": 4}, ["any", "twelve", "evo", "ark"]),
        ({"ratio": "21:9"}, ["any", "twelve", "evo", "ark"]),
        ({"seed": 5}, ["any", "uni", "ark"]),
        ({"camera_fixed": True}, ["uni"]),
        ({"operation": "edit", "reference_videos": ["https://a/b.mp4"]}, ["any", "uni", "evo", "ark"]),
        ({"first_frame": "asset://x", "tier": "fast"}, ["any", "twelve", "ark", "fast"]),
        ({"first_frame": "data:image/png;base64,AAAA"}, ["any", "ark"]),
        ({"gateway_options": {"content_filter": False}}, ["evo"]),
        ({"gateway_options": {"evolink": {"content_filter": False}}}, ["any", "uni", "twelve", "evo", "ark"]),
    ],
)
def test_a_job_goes_to_every_account_that_can_serve_it(fields: dict[str, Any], served_by: list[str]) -> None:
    assert names(fields) == served_by


def test_a_pin_leaves_one_account_and_its_errors() -> None:
    assert names({}, pin="evo") == ["evo"]
    with pytest.raises(InvalidInput) as caught:
        names({"resolution": "4k"}, pin="evo")
    assert str(caught.value) == "resolution: evolink has 480p, 720p or 1080p in tier standard (seedance-2.0), not 4k"
    with pytest.raises(InvalidInput, match="account: 'unknown' is not configured; there is any, uni, twelve"):
        names({}, pin="unknown")


def test_a_refusal_names_every_field_and_the_accounts() -> None:
    with pytest.raises(InvalidInput) as caught:
        names({"resolution": "4k", "duration": 4, "camera_fixed": True})
    said = {problem.field: problem.message for problem in caught.value.problems}
    assert said["duration"] == "uniall's seedance-2.0 takes 5 to 15 seconds, not 4 (uni)"
    assert "anyfast has 480p or 720p in tier standard (seedance-2.0), not 4k (any)" in said["resolution"]
    assert "ark's seedance-2.0 has no such setting; leave it out (ark)" in said["camera_fixed"]


def test_unknown_gateway_options_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"gateway_options\.nonsense: anyfast knows none"):
        names({"gateway_options": {"nonsense": 1}})
    with pytest.raises(InvalidInput, match=r"gateway_options\.priority: must be a whole number from 0 to 9, not 10"):
        names({"gateway_options": {"ark": {"priority": 10}}}, pin="ark")


def test_only_accounts_whose_gateway_accepts_the_file_are_left() -> None:
    gif = MediaFacts("a.gif", "gif", 1000, 400, 400)
    assert names({"first_frame": IMAGE}, image=gif) == ["any", "uni", "twelve", "ark"]
    wide = MediaFacts("a.png", "png", 1000, 3000, 1000)
    assert names({"first_frame": IMAGE}, image=wide) == ["uni", "twelve"]
    full = MediaFacts("a.mp4", "mp4", 1000, 1920, 1080, 5.0, 24.0)
    fields = {"reference_videos": [VIDEO]}
    assert names(fields, video=full) == ["uni", "twelve", "evo", "ark"], "an asset of AnyFast has at most 720p"
    assert "any" in names(fields, settings(ANY | {"assets": False}, ARK), video=full)
    with pytest.raises(InvalidInput, match=r"first_frame: evolink takes jpg, png, webp, not gif; a\.gif"):
        names({"first_frame": IMAGE}, pin="evo", image=gif)


def test_a_private_bucket_leaves_gateways_that_need_no_link() -> None:
    private = settings(s3_endpoint_url="http://127.0.0.1:9000")
    small = MediaFacts("a.png", "png", 1000, 400, 400)
    assert names({"first_frame": IMAGE}, private, image=small) == ["any", "ark"]
    clip = MediaFacts("a.mp4", "mp4", 1000, 1280, 720, 5.0, 24.0)
    assert names({"reference_videos": [VIDEO]}, private, video=clip) == ["any"]
    with pytest.raises(InvalidInput, match=r"ark fetches video files by URL, and cannot reach the bucket at 127\.0"):
        names({"reference_videos": [VIDEO]}, private, pin="ark", video=clip)
    many = {"reference_images": [IMAGE] * 3}
    huge = MediaFacts("a.png", "png", 25_000_000, 4000, 4000)
    with pytest.raises(InvalidInput, match=r"reference_images\[1\]: ark takes requests of up to 64 MB"):
        names(many, private, pin="ark", image=huge)
    rehearsal = settings(EVO | {"base_url": "http://127.0.0.1:1/evolink"}, s3_endpoint_url="http://127.0.0.1:9000")
    assert names({"first_frame": IMAGE}, rehearsal, image=small) == ["evo"], "a gateway on this machine reaches it"


@pytest.mark.parametrize(
    ("account", "modality", "reachable", "how"),
    [
        (ANY, "video", True, Delivery.ASSET),
        (ANY | {"assets": False}, "video", True, Delivery.LINK),
        (ANY | {"assets": False}, "image", False, Delivery.INLINE),
        (ANY | {"assets": False}, "video", False, None),
        (ARK, "audio", False, Delivery.INLINE),
        (EVO, "image", True, Delivery.LINK),
        (EVO, "image", False, None),
    ],
)
def test_the_delivery_of_a_file_depends_on_the_account(
    account: Any, modality: Any, reachable: bool, how: Delivery | None
) -> None:
    found = Account.model_validate(account)
    assert delivery_of(found, found.dialect.catalog.tiers["standard"], modality, reachable=reachable) is how


def test_a_row_without_an_able_account_refuses_the_batch() -> None:
    rows = [Row("row 1", {"prompt": "good"}), Row("row 2", {"prompt": "bad", "resolution": "4k"})]
    with pytest.raises(
        InvalidInput, match=r"row 2: resolution: anyfast has 480p or 720p in tier standard .seedance-2.0., not 4k"
    ):
        prepare(rows, settings(ANY), None)


# --- accounts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({"gateway": "uniall"}, "accounts.a.base_url: is required: uniall publishes no address"),
        ({"gateway": "ark", "models": {"fast": "a b"}}, "accounts.a.models.fast: must be the name of a model or endp"),
        ({"gateway": "ark", "models": {"quick": "x"}}, "accounts.a.models.quick: is not a model that reelq knows"),
        ({"gateway": "ark", "models": {"fast": {"like": "x"}}}, "accounts.a.models.fast.like: must be one of seedan"),
        ({"gateway": "ark", "models": {"fast": {"id": "x", "seconds": 3}}}, "accounts.a.models.fast.seconds: "),
        ({"gateway": "ark", "default_model": "seedance-9"}, "accounts.a.default_model: must be one of seedance-2.0,"),
        ({"gateway": "ark", "assets": True}, "accounts.a.assets: ark takes no assets through its API"),
        ({"gateway": "ark", "rates": [{"price": -1}]}, "accounts[0].rates[0].price"),
        (
            {
                "gateway": "ark",
                "rates": [{"gateway": "evolink", "price": 1, "per": "call", "currency": "USD", "as_of": "2026-01-01"}],
            },
            "accounts.a.rates[0].gateway: must be ark, or left out",
        ),
    ],
)
def test_an_account_that_does_not_fit_its_gateway_is_refused_by_name(
    account: dict[str, Any], said: str, tmp_path: Any
) -> None:
    environ = {"REELQ_ACCOUNTS": json.dumps([{"name": "a", "api_key": "sk-secret"} | account])}
    with pytest.raises(InvalidInput) as caught:
        load_settings(tmp_path, environ)
    assert said.removeprefix("accounts") in str(caught.value)
    assert str(caught.value).startswith("REELQ_ACCOUNTS")
    assert "secret" not in str(caught.value)


def test_an_account_may_set_its_models_and_rates() -> None:
    rate = {"price": "0.5", "per": "second", "currency": "USD", "as_of": "2026-01-01"}
    account = Account.model_validate(FAST | {"rates": [rate]})
    assert account.tiers == ("fast",)
    assert account.dialect.model_for(GenerationRequest(prompt="x", tier="fast")) == "ep-1"
    assert account.rates[0].gateway == "ark"
    assert Account.model_validate(ANY).tiers == ("standard", "fast", "mini")
