"""Every documented spelling of a broker's URL means one thing, for Celery and for redis-py."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from storage.broker import tls_arguments
from storage.broker_url import BrokerUrl, parse_broker_url
from worker.broker import celery_settings

HERE = Path(__file__)
VERIFIED: dict[str, str | bool] = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
TRUSTING: dict[str, str | bool] = {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
LOCAL = (("h", 6379),)


@pytest.mark.parametrize(
    ("url", "means"),
    [
        ("redis://h", BrokerUrl(LOCAL)),
        ("valkey://h:7000/2", BrokerUrl((("h", 7000),), db=2)),
        ("redis://:p%40ss@h/1", BrokerUrl(LOCAL, db=1, password="p@ss")),
        ("redis://reelq:secret@h?db=4", BrokerUrl(LOCAL, db=4, username="reelq", password="secret")),
        ("redis://h?virtual_host=4", BrokerUrl(LOCAL, db=4)),
        ("redis://[::1]:7000/0", BrokerUrl((("::1", 7000),))),
        ("redis://h?socket_connect_timeout=9&protocol=3", BrokerUrl(LOCAL, connect_timeout_s=9.0)),
        ("rediss://h/0", BrokerUrl(LOCAL, tls=VERIFIED)),
        ("valkeys://h/0", BrokerUrl(LOCAL, tls=VERIFIED)),
        ("redis://h?ssl=true", BrokerUrl(LOCAL, tls=VERIFIED)),
        ("rediss://h?ssl_cert_reqs=required", BrokerUrl(LOCAL, tls=VERIFIED)),
        ("rediss://h?ssl_cert_reqs=CERT_REQUIRED", BrokerUrl(LOCAL, tls=VERIFIED)),
        ("rediss://h?ssl_cert_reqs=ssl.CERT_NONE", BrokerUrl(LOCAL, tls=TRUSTING)),
        ("rediss://h?ssl_cert_reqs=none", BrokerUrl(LOCAL, tls=TRUSTING)),
        (
            f"rediss://h?ssl_check_hostname=false&ssl_ca_certs={HERE}",
            BrokerUrl(LOCAL, tls=VERIFIED | {"ssl_check_hostname": False, "ssl_ca_certs": str(HERE)}),
        ),
        ("unix:///run/valkey.sock?db=3", BrokerUrl(socket_path="/run/valkey.sock", db=3)),
        ("redis+socket:///run/valkey.sock?virtual_host=3", BrokerUrl(socket_path="/run/valkey.sock", db=3)),
    ],
)
def test_a_url_is_read(url: str, means: BrokerUrl) -> None:
    assert parse_broker_url(url) == means


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://:pw@a:1;sentinel://b:26379/2?sentinel_password=other",
        "sentinel://:pw@a:1,b/2?sentinel_password=other",
    ],
)
def test_sentinels_are_read(url: str) -> None:
    if ";" in url:  # each of several URLs may carry the parameters
        url = url.replace("a:1;", "a:1?sentinel_password=other;")
    found = parse_broker_url(url, "videos")
    assert found.hosts == (("a", 1), ("b", 26379))
    assert (found.db, found.password, found.sentinel_password) == (2, "pw", "other")
    settings = celery_settings(found)
    assert settings["broker_url"] == "sentinel://:pw@a:1/2;sentinel://:pw@b:26379/2"
    options = settings["broker_transport_options"]
    assert options["master_name"] == "videos"
    assert options["sentinel_kwargs"]["password"] == "other"


@pytest.mark.parametrize(
    ("url", "master", "says"),
    [
        ("amqp://guest:hidden@h", None, "the scheme 'amqp' is not supported"),
        ("h:6379", None, "use one of redis://"),
        ("redis://:hidden@h/videos", None, "the database 'videos'"),
        ("redis://h:hidden/0", None, "a port that is not a number"),
        ("redis://:hidden@h,i/0", None, "several servers"),
        ("redis://h?retries=3", None, "the parameter retries, which is not supported"),
        ("rediss://h?ssl_cert_reqs=maybe", None, "ssl_cert_reqs must be required, optional or none"),
        ("rediss://h?ssl_ca_certs=/nowhere/ca.pem", None, "/nowhere/ca.pem does not exist"),
        ("redis://h?ssl_cert_reqs=none", None, "but no TLS"),
        ("sentinel://h/0", None, "set broker_sentinel_master"),
        ("redis://h/0", "videos", "names no Sentinels"),
    ],
)
def test_what_cannot_be_used_is_said_without_the_password(url: str, master: str | None, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("?", r"\?")) as caught:
        parse_broker_url(url, master)
    assert "hidden@" not in str(caught.value)


def test_celery_gets_what_redis_py_gets() -> None:
    target = parse_broker_url(f"rediss://reelq:p%40ss@[::1]:7000/1?ssl_ca_certs={HERE}")
    settings = celery_settings(target)
    assert settings["broker_url"] == "redis://reelq:p%40ss@[::1]:7000/1"
    assert settings["broker_use_ssl"] == tls_arguments(target)
    assert settings["broker_use_ssl"]["ssl_cert_reqs"] is ssl.CERT_REQUIRED
    assert "p@ss" not in repr(target)
