"""The way of a worker process to the mail server."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from storage.addresses.mail import split_sender
from storage.webhooks.delivery import Outgoing
from storage.webhooks.messages import webhook_id
from storage.webhooks.outbox import MAILTO
from worker.runtime import Part, Runtime
from worker.webhooks.mail.letter import write_letter
from worker.webhooks.mail.smtp import MailRoute, send_mail
from worker.webhooks.sender import Answer

AT_ONCE = 4
TIMEOUT_S = 15.0


class Mailing(Part):
    """Sends mail, in threads of its own: the standard library's client blocks."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        settings = runtime.settings
        self.wait_s = min(TIMEOUT_S, settings.lease_seconds / 3)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="mail")
        server, password = settings.smtp_server, settings.smtp_password
        self._route = None
        if server is not None:
            self._route = MailRoute(
                server,
                "" if password is None else password.get_secret_value(),
                split_sender(settings.smtp_from or "")[1],
                settings.smtp_starttls,
                runtime.outbound.authorities.new_context,
                self.wait_s,
            )

    async def send(self, message: Outgoing) -> Answer:
        """Send a message whose URL is an address. Every failure gives an answer without a status."""
        settings, route = self.runtime.settings, self._route
        if route is None:
            return Answer(None, "no mail can be sent: smtp_url is not set; set it for the workers")
        recipient = (message.url or "").removeprefix(MAILTO)
        letter = write_letter(
            message.type,
            message.data or {},
            message_id=webhook_id(message.id),
            at=message.created_at,
            sender=settings.smtp_from or "",
            recipient=recipient,
            language=settings.mail_language,
            public_url=settings.public_url,
        )
        return await asyncio.get_running_loop().run_in_executor(self._threads, send_mail, route, letter, recipient)

    async def close(self) -> None:
        """Send nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
