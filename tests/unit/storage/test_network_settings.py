"""The settings of the way out, of tenants' buckets, and what is said about wrong ones."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from typer.testing import CliRunner

from producer.cli.main import app
from seedance.problems import InvalidInput
from storage.broker import tls_arguments
from storage.bucket.objects import Objects
from storage.settings import load_settings
from tests.certificates import make_certificates

FAKE, LAN = ip_network("198.18.0.0/15"), ip_network("10.0.0.0/8")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> None:
    Path("reelq.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "environ", "downloads", "webhooks"),
    [
        ('allowed_networks = ["198.18.0.0/15"]', {}, (FAKE,), (FAKE,)),
        ('allowed_networks = {downloads = ["198.18.0.0/15"]}', {}, (FAKE,), ()),
        ('[allowed_networks]\nwebhooks = ["10.0.0.0/8"]', {}, (), (LAN,)),
        ("", {"REELQ_ALLOWED_NETWORKS": "198.18.0.0/15, 10.0.0.0/8"}, (FAKE, LAN), (FAKE, LAN)),
        ("", {"REELQ_ALLOWED_NETWORKS": '["198.18.0.0/15"]'}, (FAKE,), (FAKE,)),
        ("", {"REELQ_ALLOWED_NETWORKS": '{"webhooks": ["10.0.0.0/8"]}'}, (), (LAN,)),
        ("", {"REELQ_ALLOWED_NETWORKS": ""}, (), ()),
        ("", {}, (), ()),
    ],
)
def test_networks_are_allowed_for_all_or_by_purpose(
    text: str, environ: dict[str, str], downloads: tuple[object, ...], webhooks: tuple[object, ...]
) -> None:
    write(text)
    allowed = load_settings(environ=environ).allowed_networks
    assert (allowed.downloads, allowed.webhooks) == (downloads, webhooks)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('proxy = "socks5://me:secret@127.0.0.1:1080"', "proxy: socks5:// is not supported"),
        ('proxy = "http://me:secret@proxy.example:x"', "proxy: is not a URL"),
        ('proxy = "http://me:secret@proxy.example/path"', "proxy: must have nothing after the port"),
        ('ca_file = "/no/such.pem"', "ca_file: /no/such.pem cannot be read: No such file"),
        ('allowed_networks = ["198.18.0.1/15"]', "allowed_networks: .*write 198.18.0.0/15"),
        ('allowed_networks = ["the lan"]', "allowed_networks: .*is not a network"),
        ("allowed_networks = 5", "allowed_networks: must be a list of networks"),
        ('allowed_networks = {polls = ["10.0.0.0/8"]}', "allowed_networks.polls"),
        ('s3_tenant_buckets = {acme = "No Bucket"}', "s3_tenant_buckets.acme"),
    ],
)
def test_a_wrong_value_is_named_without_its_secret_and_ends_a_command_with_2(text: str, says: str) -> None:
    write(text)
    with pytest.raises(InvalidInput, match=says) as caught:
        load_settings(environ={})
    assert "secret" not in str(caught.value)
    ran = CliRunner().invoke(app, ["doctor"])
    assert ran.exit_code == 2
    assert "Traceback" not in ran.output
    assert "secret" not in ran.output


def test_the_password_of_a_proxy_is_in_no_text_of_the_settings() -> None:
    write('proxy = "http://me:hidden-word@proxy.example:3128"')
    settings = load_settings(environ={"HTTPS_PROXY": "http://other.example:1", "NO_PROXY": "near.example"})
    assert "hidden-word" not in repr(settings) + str(settings.model_dump()) + repr(settings.outbound({}))
    proxies = settings.outbound({"NO_PROXY": "near.example"}).proxies
    found = proxies.of("https://far.example/")
    assert found is not None
    assert (found.url, found.password) == ("http://proxy.example:3128", "hidden-word")
    assert proxies.of("https://near.example/") is None


def test_none_turns_off_the_proxy_of_the_environment() -> None:
    write('proxy = "none"')
    settings = load_settings(environ={})
    assert settings.outbound({"HTTPS_PROXY": "http://other.example:1"}).proxies.of("https://far.example/") is None


def test_a_broker_trusts_the_authority_unless_its_url_names_another(tmp_path: Path) -> None:
    ours, others = make_certificates(tmp_path).authority, tmp_path / "others.pem"
    others.write_bytes(ours.read_bytes())
    for url, expected in (
        ("rediss://broker.example", str(ours)),
        (f"rediss://broker.example?ssl_ca_certs={others}", str(others)),
    ):
        write(f'ca_file = "{ours}"\nbroker_url = "{url}"')
        tls = tls_arguments(load_settings(environ={}).require_broker())
        assert tls is not None
        assert tls["ssl_ca_certs"] == expected
    write(f'ca_file = "{ours}"\nbroker_url = "redis://broker.example"')
    assert tls_arguments(load_settings(environ={}).require_broker()) is None


@pytest.mark.parametrize("environ", [{}, {"REELQ_S3_TENANT_BUCKETS": "acme=acme-videos"}])
def test_a_tenant_has_its_own_bucket_and_others_share_one(environ: dict[str, str]) -> None:
    write('s3_access_key_id = "a"\ns3_secret_access_key = "b"\ns3_endpoint_url = "http://[::1]:9000"\n')
    if not environ:
        write(Path("reelq.toml").read_text() + '[s3_tenant_buckets]\nacme = "acme-videos"\n')
    objects = Objects(load_settings(environ=environ))
    assert objects.for_tenant("other") is objects
    own = objects.for_tenant("acme")
    assert (own.bucket, own.for_tenant("acme"), own.for_tenant("other")) == ("acme-videos", own, objects)
    assert objects.holding("s3://acme-videos/videos/x.mp4") is own
    assert own.holding("videos/x.mp4") is objects
    assert own.sign_get("s3://acme-videos/videos/x.mp4").url == "http://[::1]:9000/acme-videos/videos/x.mp4"
    with pytest.raises(ValueError, match="does not lie in the bucket reelq"):
        objects.sign_get("s3://acme-videos/videos/x.mp4")
