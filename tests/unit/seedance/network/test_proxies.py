"""Which proxy a URL goes through."""

from __future__ import annotations

import pytest

from seedance.network.proxies import Proxies, Proxy, parse_proxy, read_proxies
from seedance.problems import InvalidInput

PROXY = "http://proxy.example:3128"


def goes_through(url: str, **environ: str) -> str | None:
    proxy = read_proxies(environ).of(url)
    return proxy.url if proxy is not None else None


@pytest.mark.parametrize(
    ("environ", "url", "expected"),
    [
        ({}, "https://a.example/", None),
        ({"HTTPS_PROXY": PROXY}, "https://a.example/", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://a.example/", None),
        ({"HTTP_PROXY": PROXY}, "http://a.example/", PROXY),
        ({"ALL_PROXY": PROXY}, "http://a.example/", PROXY),
        ({"all_proxy": PROXY, "HTTPS_PROXY": "http://other.example:1"}, "https://a.example/", "http://other.example:1"),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other.example:1"}, "https://a.example/", PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://a.example/", PROXY),
        ({"HTTPS_PROXY": "https://proxy.example"}, "https://a.example/", "https://proxy.example:443"),
        ({"HTTPS_PROXY": "http://[2001:db8::1]:8080/"}, "https://a.example/", "http://[2001:db8::1]:8080"),
        ({"HTTPS_PROXY": "  "}, "https://a.example/", None),
    ],
)
def test_the_variables_name_the_proxy(environ: dict[str, str], url: str, expected: str | None) -> None:
    assert goes_through(url, **environ) == expected


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("a.example", "https://a.example/", True),
        ("a.example", "https://A.Example./", True),
        ("a.example", "https://b.a.example/", True),
        ("a.example", "https://ba.example/", False),
        (".a.example", "https://a.example/", True),
        (".a.example", "https://b.a.example/", True),
        ("*.a.example", "https://b.a.example/", True),
        ("A.EXAMPLE", "https://a.example/", True),
        ("*", "https://a.example/", True),
        ("x.example, a.example", "https://a.example/", True),
        ("x.example a.example", "https://a.example/", True),
        ("a.example:8443", "https://a.example:8443/", True),
        ("a.example:8443", "https://a.example/", False),
        ("a.example:443", "https://a.example/", True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.0.0.0/8", "https://a.example/", False),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("2001:db8::1", "https://[2001:DB8:0::1]/", True),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443/", True),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]/", False),
        ("2001:db8::/32", "https://[2001:db8::1]/", True),
        ("1.2.3.4", "https://x.1.2.3.4.example/", False),
        ("nonsense/99", "https://a.example/", False),
        ("", "http://127.0.0.1:9000/", True),
        ("", "http://localhost/", True),
        ("", "http://x.localhost/", True),
        ("", "http://[::1]:9/", True),
        ("", "http://[::ffff:127.0.0.1]:9/", True),
        ("", "http://s3:8333/", True),
        ("", "https://a.example/", False),
    ],
)
def test_no_proxy_and_this_machine_are_reached_directly(no_proxy: str, url: str, direct: bool) -> None:
    assert (goes_through(url, ALL_PROXY=PROXY, NO_PROXY=no_proxy) is None) is direct
    setting = read_proxies({"no_proxy": no_proxy}, PROXY)
    assert (setting.of(url) is None) is direct


def test_the_setting_wins_over_the_variables_and_none_turns_them_off() -> None:
    environ = {"ALL_PROXY": "http://other.example:1"}
    assert read_proxies(environ, PROXY).of("https://a.example/") == Proxy(PROXY)
    assert read_proxies(environ, "none") == Proxies()


def test_a_password_is_decoded_and_never_shown() -> None:
    proxy = parse_proxy("http://me:p%40ss%2Fword@proxy.example:3128")
    assert (proxy.url, proxy.username, proxy.password) == (PROXY, "me", "p@ss/word")
    assert proxy.full_url == "http://me:p%40ss%2Fword@proxy.example:3128"
    assert "word" not in repr(proxy) + str(proxy)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("socks5://me:secret@127.0.0.1:1080", "socks5:// is not supported"),
        ("ftp://me:secret@proxy.example", "must be an http:// or https:// URL"),
        ("http://me:secret@proxy.example:port", "is not a URL"),
        ("http://", "has no host"),
        ("http://me:sec/ret@proxy.example", "encode special characters of a password|is not a URL"),
        ("http://[::1", "is not a URL"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        read_proxies({"HTTPS_PROXY": text})
    assert "HTTPS_PROXY" in str(caught.value)
    assert "secret" not in str(caught.value)
