"""What Celery and Kombu log while the broker is away: little, because `worker.consumer` says it, and never a traceback.

They try again by themselves, and a message that cannot be acknowledged is ignored when it comes again.
"""

from __future__ import annotations

import logging

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

_SAID = ("Couldn't ack", "%s (%r)")
"""Lost acknowledgements, and each connection that was lost."""
_OF_BROKER = (OperationalError, RedisError, OSError)
"""What a broker that is away, full or read-only makes of a write."""


class OneLine(logging.Filter):
    """Puts the error of a warning into its line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: nothing is dropped."""
        if record.levelno == logging.WARNING and record.exc_info and record.exc_info[1] is not None:
            record.msg = f"{record.getMessage()}: {record.exc_info[1]}"
            record.args = ()
            record.exc_info = None
        return True


class LostReply(logging.Filter):
    """Puts the error of an answer to Flower, or to another remote control, into its line if it is the broker's."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: nothing is dropped."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, _OF_BROKER):
            record.msg = f"remote control, such as Flower's, got no answer: {error}"
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.args = ()
            record.exc_info = None
        return True


def is_unsaid(record: logging.LogRecord) -> bool:
    """Whether a record of Celery's consumer says anything that `worker.consumer` does not say."""
    return not str(record.msg).startswith(_SAID)


def install() -> None:
    """Do so in this process."""
    logging.getLogger("kombu.transport.redis").addFilter(OneLine())
    logging.getLogger("celery.worker.pidbox").addFilter(LostReply())
    for name in ("celery.worker.consumer.consumer", "celery.worker.request"):
        logging.getLogger(name).addFilter(is_unsaid)
    logging.getLogger("celery.worker.consumer.connection").setLevel(logging.WARNING)  # each connection that it made
