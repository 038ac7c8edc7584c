"""What Kombu logs while the broker is a replica or refuses writes, in one line. It tries again by itself."""

from __future__ import annotations

import logging


class OneLine(logging.Filter):
    """Puts the error of a warning into its line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: nothing is dropped."""
        if record.levelno == logging.WARNING and record.exc_info and record.exc_info[1] is not None:
            record.msg = f"{record.getMessage()}: {record.exc_info[1]}"
            record.args = ()
            record.exc_info = None
        return True


def install() -> None:
    """Do so in this process."""
    logging.getLogger("kombu.transport.redis").addFilter(OneLine())
