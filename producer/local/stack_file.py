"""`stack.json`: the addresses and secrets of a running stack, for other programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from producer.local.private_file import write_private_json
from storage.settings import STACK_FILE, Settings


@dataclass(slots=True)
class StackFile:
    """The content of `stack.json`."""

    directory: Path
    settings: Settings
    """The settings, completed with the local servers."""
    api: str
    flower: str | None
    simulator: str | None
    config: Path | None
    supervisor: int
    api_key: str
    processes: dict[str, int] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.directory / STACK_FILE

    def content(self) -> dict[str, Any]:
        """The JSON object."""
        secret, webhooks = self.settings.s3_secret_access_key, self.settings.webhook_secret
        return {
            "api": self.api,
            "api_key": self.api_key,
            "flower": self.flower,
            "database_url": self.settings.database_url,
            "broker_url": self.settings.broker_url,
            "broker_sentinel_master": self.settings.broker_sentinel_master,
            "s3": {
                "endpoint_url": self.settings.s3_endpoint_url,
                "bucket": self.settings.s3_bucket,
                "access_key_id": self.settings.s3_access_key_id,
                "secret_access_key": secret.get_secret_value() if secret is not None else None,
            },
            "webhook_secret": webhooks.get_secret_value() if webhooks is not None else None,
            "simulator": self.simulator,
            "config": str(self.config) if self.config is not None else None,
            "supervisor": self.supervisor,
            "processes": self.processes,
        }

    def write(self) -> None:
        """Write the file atomically."""
        write_private_json(self.path, self.content())

    def remove(self) -> None:
        """Remove the file, because the stack has stopped."""
        self.path.unlink(missing_ok=True)
