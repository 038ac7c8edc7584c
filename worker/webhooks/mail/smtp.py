"""Give a mail to the configured server (RFC 5321), and say what became of it."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage

from seedance.errors import redact
from storage.configuration.mail import SmtpServer, Starttls
from worker.webhooks.sender import Answer

MAX_ERROR_CHARS = 300
_ACCEPTED = 250
_PERMANENT = range(500, 600)


@dataclass(frozen=True, slots=True)
class MailRoute:
    """The server, who sends, and how. `context`: makes what verifies the server; called for each connection that is
    encrypted. `timeout_s`: for the whole conversation, after the connection stands."""

    server: SmtpServer
    password: str
    sender: str
    starttls: Starttls
    context: Callable[[], ssl.SSLContext]
    timeout_s: float


class NotEncrypted(Exception):
    """The connection cannot be encrypted, and must be."""


def send_mail(route: MailRoute, letter: EmailMessage, recipient: str) -> Answer:
    """Send a mail to one recipient. Every failure gives an answer without a status; blocks until then.

    A recipient that the server refuses for good (5xx) gets no further attempt. Everything else may be a fault of the
    server or its configuration.
    """
    started = time.monotonic()

    def failed(said: object, *, never: bool = False) -> Answer:
        text = redact(str(said), route.password)[:MAX_ERROR_CHARS]
        return Answer(None, text, never=never, took_s=time.monotonic() - started)

    try:
        with _connected(route) as smtp:
            smtp.send_message(letter, route.sender, [recipient])
    except smtplib.SMTPRecipientsRefused as exc:
        code, words = exc.recipients[recipient]
        return failed(f"SMTP {code}: {_text(words)}", never=code in _PERMANENT)
    except smtplib.SMTPDataError as exc:
        return failed(f"SMTP {exc.smtp_code}: {_text(exc.smtp_error)}", never=exc.smtp_code in _PERMANENT)
    except smtplib.SMTPAuthenticationError as exc:
        said = f"the server refuses the user or the password ({_text(exc.smtp_error)})"  # after a colon it is masked
        return failed(f"SMTP {exc.smtp_code}: {said}")
    except smtplib.SMTPResponseException as exc:
        return failed(f"SMTP {exc.smtp_code}: {_text(exc.smtp_error)}")
    except NotEncrypted as exc:
        return failed(exc)
    except TimeoutError:
        return failed(f"the mail server has not answered within {route.timeout_s:g} s")
    except (smtplib.SMTPException, OSError, ValueError) as exc:
        return failed(f"the mail server cannot be used: {type(exc).__name__}: {exc}")
    return Answer(_ACCEPTED, took_s=time.monotonic() - started)


@contextmanager
def _connected(route: MailRoute) -> Iterator[smtplib.SMTP]:
    """A connection that is encrypted and signed in as configured.

    Raises:
        TimeoutError: the conversation took too long.
    """
    server = route.server
    # Its own name would be looked up in DNS, and would tell others the name of this machine.
    name = route.sender.rpartition("@")[2]
    wait_s = route.timeout_s
    if server.tls:
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, local_hostname=name, timeout=wait_s, context=route.context()
        )
    else:
        smtp = smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=wait_s)
    late = threading.Event()
    timer = threading.Timer(route.timeout_s, _cut_off, (smtp, late))
    timer.daemon = True
    timer.start()
    try:
        _prepare(smtp, route)
        yield smtp
        with suppress(smtplib.SMTPException, OSError):  # it has accepted the mail
            smtp.quit()
    except (smtplib.SMTPException, OSError) as exc:
        if late.is_set() or isinstance(exc.__context__, TimeoutError):
            raise TimeoutError from exc
        raise
    finally:
        timer.cancel()
        smtp.close()


def _prepare(smtp: smtplib.SMTP, route: MailRoute) -> None:
    smtp.ehlo_or_helo_if_needed()
    encrypted = route.server.tls
    if not encrypted and route.starttls != "never":
        encrypted = smtp.has_extn("starttls")
        if encrypted:
            smtp.starttls(context=route.context())
            smtp.ehlo()
        elif route.starttls == "always" or route.server.user is not None:
            raise NotEncrypted("the mail server offers no STARTTLS; use smtps:// or another port, or smtp_starttls")
    if route.server.user is not None:
        smtp.login(route.server.user, route.password)


def _cut_off(smtp: smtplib.SMTP, late: threading.Event) -> None:
    """End a conversation that takes too long: a server that sends a byte now and then would never time out."""
    late.set()
    sock = smtp.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _text(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(text.split())
