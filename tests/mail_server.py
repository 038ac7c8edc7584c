"""A mail server for tests (RFC 5321, AUTH PLAIN, STARTTLS): keeps what it gets and refuses as the test wants."""

from __future__ import annotations

import base64
import email
import email.policy
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import cast

from tests.waiting import PATIENCE_S


@dataclass(frozen=True)
class Mail:
    """A mail that was accepted: its envelope and its content. `encrypted`, `user`: of the connection."""

    sender: str
    recipient: str
    raw: bytes
    encrypted: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    def text(self, kind: str = "plain") -> str:
        body = self.message.get_body((kind,))
        assert body is not None
        return cast(str, body.get_content())


@dataclass
class MailServer:
    """The mails, and how to behave. `replies`: instead of the usual answer, by command (`DATA.` is the end of the
    content) or by recipient. `context`: it offers STARTTLS. `users`: passwords; not empty: AUTH is needed."""

    port: int
    context: ssl.SSLContext | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    replies: dict[str, str] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    hold: threading.Event | None = None
    """Answer nothing before this is set."""

    def to(self, recipient: str) -> list[Mail]:
        return [mail for mail in self.mails if mail.recipient == recipient]


@contextmanager
def mail_server(
    context: ssl.SSLContext | None = None, users: Mapping[str, str] | None = None, *, tls: bool = False
) -> Iterator[MailServer]:
    """A server on a free port. `tls`: connections begin with TLS, instead of STARTTLS."""
    found = MailServer(0, None if tls else context, users or {})

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if tls:
                assert context is not None
                self._encrypt(context)
            _Conversation(self, found, tls).run()

        def _encrypt(self, context: ssl.SSLContext) -> None:
            self.rfile.close()
            self.wfile.close()
            self.connection = context.wrap_socket(self.connection, server_side=True, do_handshake_on_connect=False)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
            self.connection.do_handshake()

        def finish(self) -> None:
            super().finish()
            self.connection.close()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that leaves in the middle is part of the tests."""

    with Server(("127.0.0.1", 0), Session) as server:
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join(PATIENCE_S)


class _Conversation:
    def __init__(self, session: socketserver.StreamRequestHandler, server: MailServer, encrypted: bool) -> None:
        self._session, self._server, self._encrypted = session, server, encrypted
        self._user: str | None = None
        self._sender = ""
        self._recipients: list[str] = []

    def run(self) -> None:
        self._say("220 mail.example ESMTP")
        while line := self._session.rfile.readline():
            command = line.decode().rstrip("\r\n")
            self._server.commands.append(command)
            if self._server.hold is not None:
                self._server.hold.wait(PATIENCE_S)
            verb = command.split(" ")[0].upper()
            if verb != "RCPT" and (reply := self._server.replies.get(verb)) is not None:
                self._say(reply)
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                getattr(self, f"_{verb.lower()}", self._unknown)(command)

    def _say(self, *lines: str) -> None:
        for at, line in enumerate(lines, 1):
            text = line if at == len(lines) else f"{line[:3]}-{line[4:]}"
            self._session.wfile.write(f"{text}\r\n".encode())

    def _unknown(self, command: str) -> None:
        self._say("500 unknown command")

    def _ehlo(self, command: str) -> None:
        offered = ["250 mail.example", "250 8BITMIME"]
        if self._server.context is not None and not self._encrypted:
            offered.append("250 STARTTLS")
        if self._server.users:
            offered.append("250 AUTH PLAIN")
        self._say(*offered)

    def _starttls(self, command: str) -> None:
        assert self._server.context is not None
        self._say("220 go on")
        self._session._encrypt(self._server.context)  # type: ignore[attr-defined] # of the class in mail_server
        self._encrypted = True

    def _auth(self, command: str) -> None:
        _, user, password = base64.b64decode(command.split(" ")[2]).decode().split("\0")
        if self._server.users.get(user) != password:
            self._say("535 5.7.8 wrong user or password")
            return
        self._user = user
        self._say("235 welcome")

    def _mail(self, command: str) -> None:
        if self._server.users and self._user is None:
            self._say("530 sign in first")
            return
        self._sender, self._recipients = command.partition("<")[2].partition(">")[0], []
        self._say("250 ok")

    def _rcpt(self, command: str) -> None:
        recipient = command.partition("<")[2].partition(">")[0]
        self._recipients.append(recipient)
        self._say(self._server.replies.get(recipient, "250 ok"))

    def _rset(self, command: str) -> None:
        self._say("250 ok")

    def _data(self, command: str) -> None:
        self._say("354 go on")
        content = bytearray()
        while (line := self._session.rfile.readline()) not in (b".\r\n", b""):
            content += line.removeprefix(b".") if line.startswith(b"..") else line
        reply = self._server.replies.get("DATA.", "250 accepted")
        if reply.startswith("250"):
            self._server.mails += [
                Mail(self._sender, recipient, bytes(content), self._encrypted, self._user)
                for recipient in self._recipients
            ]
        self._say(reply)
