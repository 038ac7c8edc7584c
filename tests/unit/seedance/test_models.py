"""Rows: which one rules a job, what each layer changes, and what a row forbids."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedance.account import Account
from seedance.gateways.base import AttemptOptions, Dialect
from seedance.gateways.registry import DIALECTS
from seedance.lanes import LANES, is_lane, lane_of, lanes_of, limits_apart, model_of
from seedance.models.catalog import TIERS, catalog_of, outermost_seconds
from seedance.models.data import bundled_models
from seedance.models.rows import ModelRow
from seedance.problems import InvalidInput
from seedance.request import MAX_DURATION_S, MAX_REFERENCES, MIN_DURATION_S, GenerationRequest, parse_request
from storage.settings import Settings

ARK = DIALECTS["ark"]
INTL = "https://ark.ap-southeast.bytepluses.com/api/v3"
PLAN = "https://ark.cn-beijing.volces.com/api/plan/v3"
NEW_ID = "doubao-seedance-2-5-260628"
IMAGE, VIDEO, AUDIO = "https://example.com/a.png", "https://example.com/a.mp4", "https://example.com/a.mp3"


def request(**fields: Any) -> GenerationRequest:
    return parse_request({"prompt": "a fox", **fields})


def ark(**fields: Any) -> Dialect:
    return Account.model_validate({"name": "a", "gateway": "ark", "api_key": "k", **fields}).dialect


def row(dialect: Dialect, **fields: Any) -> ModelRow:
    return dialect.row_for(request(**fields))


def test_the_bounds_of_a_request_are_the_outermost_of_all_models() -> None:
    assert outermost_seconds() == (MIN_DURATION_S, MAX_DURATION_S)
    for kind, limit in zip(("image", "video", "audio"), MAX_REFERENCES.values(), strict=True):
        assert limit == max(layer["media"][kind]["count"] for layer in bundled_models().values())


@pytest.mark.parametrize(
    ("models", "name", "decided_by"),
    [
        ({}, "seedance-2.0", "gateway"),
        ({"standard": NEW_ID}, "seedance-2.5", "id"),
        ({"standard": "dreamina-seedance-2-5-261201"}, "seedance-2.5", "pattern"),
        ({"standard": "bytedance/Seedance-2.5"}, "seedance-2.5", "pattern"),
        ({"standard": "dreamina-seedance-2-5-flash-270101"}, "seedance-2.5-flash", "pattern"),
        ({"standard": "doubao-seedance-2-0-fast-270101"}, "seedance-2.0-fast", "pattern"),
        ({"standard": "ep-20260101-abcde"}, "seedance-2.0", "tier"),
        ({"standard": {"id": "ep-1", "like": "seedance-2.5"}}, "seedance-2.5", "account"),
    ],
)
def test_the_account_the_id_or_the_tier_decides_the_row(models: dict[str, Any], name: str, decided_by: str) -> None:
    found = row(ark(models=models))
    assert (found.name, found.decided_by) == (name, decided_by)


def test_an_option_that_names_a_model_brings_its_row() -> None:
    named = {"gateway_options": {"ark": {"model": NEW_ID}}}
    assert row(ARK, **named).name == "seedance-2.5"
    assert ARK.refusals(request(duration=30, **named)) == []
    assert row(ARK, gateway_options={"ark": {"model": "ep-x"}}).decided_by == "tier"


def test_an_option_opens_no_tier_or_model_that_the_account_does_not_sell() -> None:
    """Its jobs would wait in a lane that the account is never granted."""
    dialect = ark(models={"standard": "ep-1"})
    for fields in ({"tier": "fast"}, {"model": "seedance-2.5"}):
        asked = request(gateway_options={"ark": {"model": NEW_ID}}, **fields)
        assert model_of(dialect, lane_of(asked.canonical())) is None
        assert [problem.field for problem in dialect.refusals(asked)] == list(fields)


@pytest.mark.parametrize(
    ("base_url", "old", "new"),
    [
        (None, "doubao-seedance-2-0-260128", NEW_ID),
        ("http://127.0.0.1:1/api/v3", "doubao-seedance-2-0-260128", NEW_ID),
        (INTL, "dreamina-seedance-2-0-260128", "dreamina-seedance-2-5-260628"),
        (PLAN, "doubao-seedance-2.0", "doubao-seedance-2.5"),
    ],
)
def test_the_address_decides_the_platforms_ids(base_url: str | None, old: str, new: str) -> None:
    dialect = ark() if base_url is None else ark(base_url=base_url)
    assert dialect.model_for(request()) == old
    assert dialect.model_for(request(model="seedance-2.5")) == new


def test_a_table_adds_a_model_and_changes_what_it_says() -> None:
    narrow = {"id": "ep-9", "like": "seedance-2.5", "resolutions": ["1080p"], "seconds": [4, 20]}
    dialect = ark(models={"seedance-2.6": narrow})
    found = row(dialect, model="seedance-2.6")
    assert (found.name, found.resolutions, found.default_resolution) == ("seedance-2.6", ("1080p",), "1080p")
    assert dialect.model_for(request(model="seedance-2.6")) == "ep-9"
    assert [problem.field for problem in dialect.refusals(request(model="seedance-2.6", duration=21))] == ["duration"]
    assert row(dialect).name == "seedance-2.0", "the gateway's own models are still there"


def test_tiers_that_are_named_replace_the_gateways_own() -> None:
    dialect = ark(models={"standard": "ep-1", "seedance-2.5": "ep-2"})
    assert set(dialect.catalog.tiers) == {"standard"}
    assert set(dialect.catalog.models) == {"seedance-2.0", "seedance-2.5"}
    [problem] = dialect.refusals(request(model="seedance-2.0", tier="fast"))
    assert str(problem) == "model: ark sells seedance-2.0 or seedance-2.5, not seedance-2.0-fast"


def test_a_job_without_a_model_stays_at_2_0_where_both_are_sold() -> None:
    for dialect in DIALECTS.values():
        assert {found.name.partition("-2.5")[1] for found in dialect.catalog.tiers.values()} == {""}, dialect.name


def test_a_default_model_rules_jobs_that_name_neither_model_nor_tier() -> None:
    dialect = ark(default_model="seedance-2.5")
    assert (row(dialect).name, row(dialect, tier="fast").name) == ("seedance-2.5", "seedance-2.0-fast")
    assert row(dialect, model="seedance-2.0").name == "seedance-2.0"


def test_the_default_of_the_settings_is_a_demand_that_an_account_may_replace() -> None:
    accounts = [
        {"name": "new", "gateway": "ark", "api_key": "k"},
        {"name": "own", "gateway": "ark", "api_key": "k", "default_model": "seedance-2.0"},
        {"name": "old", "gateway": "12ai", "api_key": "k"},
    ]
    new, own, old = Settings.model_validate({"default_model": "seedance-2.5", "accounts": accounts}).accounts
    assert (row(new.dialect).name, row(own.dialect).name) == ("seedance-2.5", "seedance-2.0")
    assert [problem.field for problem in old.dialect.refusals(request())] == ["tier"]
    assert old.dialect.refusals(request(tier="fast")) == []
    with pytest.raises(ValueError, match=r"must be one of seedance-2\.0, .*not 'seedance-9'"):
        Settings.model_validate({"default_model": "seedance-9", "accounts": accounts})


def test_a_file_adds_models_to_every_account_of_a_gateway(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text('[ark."seedance-2.6"]\nid = "ep-6"\nlike = "seedance-2.5"\n')
    accounts = [
        {"name": "a", "gateway": "ark", "api_key": "k"},
        {
            "name": "b",
            "gateway": "ark",
            "api_key": "k",
            "models": {"seedance-2.6": {"id": "x", "like": "seedance-2.0"}},
        },
        {"name": "c", "gateway": "evolink", "api_key": "k"},
    ]
    found = Settings.model_validate({"models_file": path, "accounts": accounts}).accounts
    ids = [a.dialect.catalog.models["seedance-2.6"].id for a in found if "seedance-2.6" in a.dialect.catalog.models]
    assert ids == ["ep-6", "x"]
    for text, said in (("[unknown]\n", "is not a gateway"), ("[", "cannot be read")):
        path.write_text(text)
        with pytest.raises(ValueError, match=said):
            Settings.model_validate({"models_file": path, "accounts": accounts})


def body_of(asked: GenerationRequest) -> Mapping[str, Any]:
    call = ARK.submit_call(asked, AttemptOptions(seed=7))
    assert call.json is not None
    return call.json


# --- what is sent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "sent", "replaced"),
    [
        ({}, ("adaptive", 5, None), []),
        ({"first_frame": IMAGE, "ratio": "16:9"}, ("adaptive", 5, None), ["ratio"]),
        ({"operation": "edit", "reference_videos": [VIDEO]}, ("adaptive", -1, "edit"), []),
        (
            {"operation": "edit", "reference_videos": [VIDEO], "duration": 5, "ratio": "16:9"},
            ("adaptive", -1, "edit"),
            ["ratio", "duration"],
        ),
        ({"task_type": "extend", "reference_videos": [VIDEO], "duration": 8}, ("adaptive", 8, "extend"), []),
        ({"reference_images": [IMAGE], "ratio": "1:1"}, ("1:1", 5, "reference"), []),
        ({"reference_videos": [VIDEO], "task_type": "auto", "ratio": "1:1"}, ("1:1", 5, "auto"), []),
    ],
)
def test_2_5_gets_length_ratio_and_task_type(
    fields: dict[str, Any], sent: tuple[Any, ...], replaced: list[str]
) -> None:
    asked = request(model="seedance-2.5", **fields)
    body = body_of(asked)
    assert (body["ratio"], body["duration"], body.get("omni_reference_task_type")) == sent
    assert [problem.field for problem in ARK.warnings(asked)] == replaced
    assert not {"seed", "camera_fixed", "frames", "service_tier"} & body.keys()


def test_a_named_default_tier_of_the_service_is_not_sent() -> None:
    assert "service_tier" not in body_of(request(gateway_options={"ark": {"service_tier": "default"}}))


# --- what a row forbids ----------------------------------------------------------------------------------------------

ROWS = [(dialect, name) for dialect in DIALECTS.values() for name in dialect.catalog.models]


def _outside(found: ModelRow) -> dict[str, dict[str, Any]]:
    """One value beyond the row for each field that has one, by the field that must be named."""
    sizes = [size for size in ("480p", "720p", "1080p", "4k") if size not in found.resolutions]
    ratios = [ratio for ratio in ("21:9", "adaptive") if ratio not in found.ratios]
    images, videos = found.media["image"].count, found.media["video"].count
    broken: dict[str, dict[str, Any]] = {}
    if sizes:
        broken["resolution"] = {"resolution": sizes[0]}
    if ratios:
        broken["ratio"] = {"ratio": ratios[0]}
    if found.seconds[1] < MAX_DURATION_S:
        broken["duration"] = {"duration": found.seconds[1] + 1}
    if images < MAX_REFERENCES["reference_images"]:
        broken["reference_images"] = {"reference_images": [IMAGE] * (images + 1)}
    if videos < MAX_REFERENCES["reference_videos"]:
        broken["reference_videos"] = {"reference_videos": [VIDEO] * (videos + 1)}
    if not found.audio_alone and found.media["audio"].count:
        broken["reference_audios"] = {"reference_audios": [AUDIO]}
    if "mov" not in found.output_formats:
        broken["output_format"] = {"output_format": "mov"}
    if not found.web_search:
        broken["web_search"] = {"web_search": True}
    for flag, value in (("seed", 7), ("camera_fixed", True), ("watermark", True), ("return_last_frame", True)):
        if flag not in found.flags:
            broken[flag] = {flag: value}
    return broken


@pytest.mark.parametrize(("dialect", "name"), ROWS, ids=[f"{dialect.name} {name}" for dialect, name in ROWS])
@given(data=st.data())
@settings(max_examples=15)
def test_what_a_row_forbids_is_refused_with_its_field(dialect: Dialect, name: str, data: st.DataObject) -> None:
    broken = _outside(dialect.catalog.models[name])
    fields = data.draw(st.sets(st.sampled_from(sorted(broken)), min_size=1, max_size=3))
    if "web_search" in fields:
        fields -= {field for field in fields if field.startswith("reference_")}
    if "reference_images" in fields or "reference_videos" in fields:
        fields -= {"reference_audios"}
    asked = request(model=name, **{key: value for field in fields for key, value in broken[field].items()})
    problems = dialect.refusals(asked)
    assert {problem.field for problem in problems} == fields
    assert all(dialect.name in problem.message for problem in problems)


def test_more_than_fifty_references_are_refused() -> None:
    many = {"reference_images": [IMAGE] * 30, "reference_videos": [VIDEO] * 10, "reference_audios": [AUDIO] * 10}
    assert ARK.refusals(request(model="seedance-2.5", **many)) == []
    narrow = ark(models={"seedance-2.5": {"id": "x", "max_references": 49}})
    [problem] = narrow.refusals(request(model="seedance-2.5", **many))
    assert "at most 49 references of all kinds in seedance-2.5, not 50" in problem.message


# --- lanes -----------------------------------------------------------------------------------------------------------


def test_the_lane_of_a_job_is_that_of_its_tier_or_of_the_model_it_names() -> None:
    assert lane_of({"prompt": "x"}) == "standard/text/"
    assert lane_of({"tier": "fast", "model": "seedance-2.0", "resolution": "720p"}) == "seedance-2.0-fast/text/720p"
    edit = {"model": "seedance-2.5", "operation": "edit", "reference_videos": [VIDEO]}
    assert lane_of(edit) == lane_of({**edit, "operation": None, "task_type": "edit"}) == "seedance-2.5/edit/"
    assert all(is_lane(lane) for lane in lanes_of(["seedance-9"]))
    assert set(LANES) < set(lanes_of(["seedance-9"]))
    assert not is_lane("standard/text") and model_of(ARK, "standard/dance/") is None


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_the_model_of_a_lane_is_the_one_that_a_job_there_is_sent_to(dialect: Dialect) -> None:
    uses: list[dict[str, Any]] = [{}, {"first_frame": IMAGE}, {"reference_videos": [VIDEO], "operation": "edit"}]
    names: list[dict[str, Any]] = [*({"tier": tier} for tier in TIERS), *({"model": name} for name in bundled_models())]
    for media in uses:
        for named in names:
            asked = request(**named, **media, resolution="720p")
            if dialect.row_of(asked) is None:
                assert model_of(dialect, lane_of(asked.canonical())) is None
            else:
                assert model_of(dialect, lane_of(asked.canonical())) == dialect.model_for(asked)


def test_4k_is_counted_apart_where_that_is_published() -> None:
    apart = limits_apart(ARK)
    assert set(apart) == {"doubao-seedance-2-0-260128@4k", f"{NEW_ID}@4k"}
    assert {limits.concurrent for limits in apart.values()} == {1}
    assert limits_apart(DIALECTS["uniall"]) == {}


def test_wrong_tables_are_refused_by_name() -> None:
    for own, said in (
        ({"seedance-9": "x"}, "models.seedance-9: is not a model that reelq knows"),
        ({"mini": {"like": "seedance-2.5-flash"}}, "models.mini: needs an id"),
        ({"standard": {"id": "x", "colour": "red"}}, "models.standard.colour: is not a field we know"),
        ({"standard": 7}, "models.standard: must be a name, or a table"),
        ({"standard": {"id": "x", "like": ["seedance-2.5"]}}, "models.standard.like: must be one of"),
        ({"standard": {"id": "x", "unset": 5}}, "models.standard.unset: must be a list of names"),
        ({"standard": {"id": "x", "media": {"unset": [[]]}}}, "models.standard.media.unset: must be a list of names"),
        ({"standard": {"id": "x", "name": "fast"}}, "models.standard.name: must not be the name of a tier"),
    ):
        with pytest.raises(InvalidInput, match=said):
            catalog_of("ark", own)  # type: ignore[arg-type] # wrong types on purpose


def test_a_narrower_range_of_seconds_moves_the_default_into_it() -> None:
    """It is always sent, and the gateway would refuse one outside."""
    for seconds, sent in (([8, 12], 8), ([4, 4], 4), ([4, 20], 5)):
        dialect = ark(models={"standard": {"id": "ep-1", "seconds": seconds}})
        assert dialect.submit_call(request(), AttemptOptions()).json["duration"] == sent  # type: ignore[index]  # this dialect sends JSON
