"""Mail: what it says, that nothing in it can become a header, and what each answer of a mail server means."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from storage.addresses.mail import address_problem
from storage.configuration.mail import MailSettings, SmtpServer, parse_smtp_url
from storage.webhooks.outbox import EventType
from tests.certificates import Certificates, make_certificates
from tests.mail_server import MailServer, mail_server
from worker.webhooks.mail.letter import write_letter
from worker.webhooks.mail.smtp import MailRoute, send_mail

ANNA = "anna@shop.example"
DATA: dict[str, Any] = {
    "name": "spring",
    "counts": {"succeeded": 118, "failed": 2},
    "total": 120,
    "costs": [{"currency": "CNY", "reported": 1234.5, "reported_jobs": 118}],
    "links": {"page": "/campaigns/spring"},
}
BUDGET = {"amount": 100.0, "currency": "CNY", "spent": 60.0, "reserved": 21.5, "held": False}


def letter(event: str = EventType.CAMPAIGN_FINISHED, language: str = "en", **data: Any) -> EmailMessage:
    return write_letter(
        event,
        DATA | data,
        message_id="msg_1",
        at=datetime(2026, 11, 28, tzinfo=UTC),
        sender="reelq <reelq@shop.example>",
        recipient=ANNA,
        language=language,
        public_url="https://reelq.example/",
    )


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


# --- letters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "data", "subject", "says"),
    [
        (
            EventType.CAMPAIGN_FINISHED,
            {},
            "[reelq] spring is finished: 118 of 120 videos",
            ["118 succeeded, 2 failed", "CNY", "1,234.50"],
        ),
        (
            EventType.CAMPAIGN_REVIEW_READY,
            {"review": {"ready": 5, "drafts": 0}},
            "[reelq] spring: 5 videos wait for your review",
            ["reelq campaign resume spring"],
        ),
        (
            EventType.CAMPAIGN_REVIEW_READY,
            {"review": {"ready": 7, "drafts": 7}},
            "[reelq] spring: 7 videos wait for your review",
            ["7 drafts", "reelq campaign approve spring --state succeeded"],
        ),
        (
            EventType.CAMPAIGN_BUDGET_80,
            {"budget": BUDGET},
            "[reelq] spring: 82 % of the budget is used",
            ["81.50 of 100.00 CNY"],
        ),
        (
            EventType.CAMPAIGN_BUDGET_USED_UP,
            {"budget": BUDGET, "counts": {"queued": 9}},
            "[reelq] spring: the budget is used up",
            ["9 rows wait", "reelq campaign set spring --budget"],
        ),
        (
            EventType.CAMPAIGN_DRAFTS_EXPIRING,
            {"drafts": 3, "first_ends_at": "2026-11-29T08:05:00+08:00", "rows": [2, 3, 9]},
            "[reelq] spring: 3 drafts expire from 2026-11-29 00:05 UTC on",
            ["3 drafts of the campaign spring wait", "reelq campaign approve spring --state succeeded"],
        ),
    ],
)
def test_a_letter_says_what_happened_and_what_to_do(
    event: str, data: dict[str, Any], subject: str, says: list[str]
) -> None:
    message = letter(event, **data)
    assert message["Subject"] == subject
    assert (message["To"], message["Message-ID"]) == (ANNA, "<msg_1@shop.example>")
    plain, html = text_of(message), text_of(message, "html")
    for part in (*says, "reelq campaign set spring --notify none"):
        assert part in plain
        assert part in html
    assert "https://reelq.example/campaigns/spring" in plain
    assert '<a href="https://reelq.example/campaigns/spring">' in html
    chinese = letter(event, "zh", **data)
    assert "spring" in chinese["Subject"] and chinese["Subject"] != subject
    assert "如需停止" in text_of(chinese)


def test_nothing_in_a_name_becomes_a_header_or_a_tag() -> None:
    name = "x\r\nBcc: mallory@evil.example\r\n\r\n<script>alert(1)</script> {percent} $(rm -rf ~)"
    message = letter(name=name)
    assert message["Bcc"] is None
    head = message.as_bytes().partition(b"\n\n")[0]
    assert b"\nBcc" not in head
    assert message["Subject"].startswith("[reelq] x Bcc: mallory@evil.example <script>")
    html = text_of(message, "html")
    assert "<script>" not in html
    assert "set '" in text_of(message), "a shell takes the name as one word"
    assert "{percent}" in text_of(message)


@pytest.mark.parametrize(
    "address",
    [
        "anna",
        "@shop.example",
        "anna@",
        "anna@shop.example\r\nBcc: x@y.example",
        "anna@shop.example, mallory@evil.example",
        "anna@shop.example> SIZE=1",
        '"anna"@shop.example',
        "anna@-shop.example",
        "anna@shop..example",
        "änna@shop.example",
        f"{'a' * 65}@shop.example",
        f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.{'f' * 60}",
        "anna @shop.example",
    ],
)
def test_only_a_plain_address_is_an_address(address: str) -> None:
    assert address_problem(address) is not None
    assert address_problem("anna.m+videos@mail.shop.example") is None


# --- settings --------------------------------------------------------------------------------------------------------


def test_the_server_is_named_by_a_url() -> None:
    assert parse_smtp_url("smtp://mail.example") == SmtpServer(host="mail.example", port=587, tls=False, user=None)
    assert parse_smtp_url("smtps://anna%40shop.example@mail.example") == SmtpServer(
        host="mail.example", port=465, tls=True, user=ANNA
    )
    for url in ("http://mail.example", "smtp://", "smtp://a:b@mail.example", "smtp://mail.example/x", "smtp://a:x"):
        with pytest.raises(ValueError, match="must "):
            parse_smtp_url(url)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"smtp_url": "smtp://mail.example"}, "needs smtp_from"),
        ({"smtp_url": "smtp://a@mail.example", "smtp_from": ANNA}, "set smtp_password"),
        ({"smtp_from": "reelq <anna>"}, "must be a mail address"),
        ({"smtp_url": "smtp://a:secret@mail.example", "smtp_from": ANNA}, "must not have the password"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        MailSettings.model_validate(given)
    assert "secret" not in str(caught.value).replace("smtp://a:secret@", "")


# --- sending ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as found:
        yield found


def route_to(mails: MailServer, **given: Any) -> MailRoute:
    at = SmtpServer(host="127.0.0.1", port=mails.port, tls=False, user=None)
    return replace(MailRoute(at, "", "reelq@shop.example", "auto", ssl.create_default_context, 5.0), **given)


def test_a_mail_arrives_whole(server: MailServer) -> None:
    answer = send_mail(route_to(server), letter(language="zh"), ANNA)
    assert (answer.status, answer.error) == (250, "")
    [mail] = server.mails
    assert (mail.sender, mail.recipient) == ("reelq@shop.example", ANNA)
    assert mail.message["Subject"] == "[reelq] spring 已结束：120 条视频中成功 118 条"
    assert "成功 118, 失败 2" in mail.text()
    assert server.commands[0] == "ehlo shop.example", "not the name of this machine"


@pytest.mark.parametrize(
    ("replies", "never", "said"),
    [
        ({ANNA: "550 5.1.1 no such user"}, True, "SMTP 550: 5.1.1 no such user"),
        ({ANNA: "450 4.2.1 try later"}, False, "SMTP 450: 4.2.1 try later"),
        ({"MAIL": "550 not for you"}, False, "SMTP 550: not for you"),
        ({"DATA.": "554 spam"}, True, "SMTP 554: spam"),
        ({"DATA.": "451 busy"}, False, "SMTP 451: busy"),
        ({"EHLO": "421 no", "HELO": "421 no"}, False, "SMTP 421: no"),
    ],
)
def test_a_refusal_says_whether_another_attempt_can_help(
    server: MailServer, replies: dict[str, str], never: bool, said: str
) -> None:
    server.replies |= replies
    answer = send_mail(route_to(server), letter(), ANNA)
    assert (answer.status, answer.never, answer.error) == (None, never, said)
    assert server.mails == []


def test_a_server_that_does_not_say_goodbye_has_accepted_the_mail(server: MailServer) -> None:
    server.replies["QUIT"] = "500 what?"
    assert send_mail(route_to(server), letter(), ANNA).status == 250


def test_a_server_that_is_silent_or_away_is_no_answer(server: MailServer) -> None:
    server.hold = threading.Event()
    begun = time.monotonic()
    answer = send_mail(route_to(server, timeout_s=0.5), letter(), ANNA)
    server.hold.set()
    assert (answer.status, answer.never, answer.error) == (None, False, "the mail server has not answered within 0.5 s")
    assert time.monotonic() - begun < 30
    away = SmtpServer(host="127.0.0.1", port=1, tls=False, user=None)
    answer = send_mail(route_to(server, server=away), letter(), ANNA)
    assert (answer.never, answer.error.startswith("the mail server cannot be used")) == (False, True)


@pytest.mark.parametrize("kind", ["starttls", "smtps"])
def test_a_password_is_sent_only_where_the_connection_is_encrypted(certificates: Certificates, kind: str) -> None:
    def trusted() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(certificates.authority))

    tls = kind == "smtps"
    with mail_server(certificates.server(), {ANNA: "sesame"}, tls=tls) as server:
        at = SmtpServer(host="127.0.0.1", port=server.port, tls=tls, user=ANNA)
        route = route_to(server, server=at, password="sesame", context=trusted)
        assert send_mail(route, letter(), ANNA).status == 250
        assert [(mail.encrypted, mail.user) for mail in server.mails] == [(True, ANNA)]
        wrong = send_mail(replace(route, password="open wide"), letter(), ANNA)
        assert (wrong.never, wrong.error) == (
            False,
            "SMTP 535: the server refuses the user or the password (5.7.8 wrong user or password)",
        )
        stranger = send_mail(replace(route, context=ssl.create_default_context), letter(), ANNA)
        assert (stranger.status, "certificate verify failed" in stranger.error) == (None, True)


@pytest.mark.parametrize(("starttls", "user"), [("auto", ANNA), ("always", None)])
def test_nothing_is_sent_unencrypted_that_must_not_be(server: MailServer, starttls: str, user: str | None) -> None:
    at = SmtpServer(host="127.0.0.1", port=server.port, tls=False, user=user)
    answer = send_mail(route_to(server, server=at, password="sesame", starttls=starttls), letter(), ANNA)
    assert (answer.never, "offers no STARTTLS" in answer.error) == (False, True)
    assert not any(command.startswith(("AUTH", "mail", "MAIL")) for command in server.commands)
