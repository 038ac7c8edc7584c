"""The state that a data directory keeps from one `up` to the next: ports, passwords, and the last processes."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from producer.local.errors import StackError
from producer.local.ports import Reservations, free_port
from producer.local.private_file import write_private_json

FILE = "local.json"


@dataclass(slots=True)
class LocalState:
    """The content of `local.json`."""

    path: Path
    ports: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    children: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Process id and start time (seconds since the epoch) by name."""
    reservations: Reservations | None = None
    """The reservations of the ports; not part of the file."""

    def secret(self, name: str, size: int = 24) -> str:
        """The secret of this name, letters and digits only; created on first use."""
        if name not in self.secrets:
            self.secrets[name] = secrets.token_hex(size)
        return self.secrets[name]

    def port(self, name: str, *usual: int) -> int:
        """A free port: the previous one, a usual one, or any."""
        before = [self.ports[name]] if name in self.ports else []
        others = [port for other, port in self.ports.items() if other != name]
        self.ports[name] = free_port([*before, *usual], others, self.reservations)
        return self.ports[name]

    def save(self) -> None:
        """Write the file."""
        write_private_json(self.path, {"ports": self.ports, "secrets": self.secrets, "children": self.children})


def load_state(directory: Path) -> LocalState:
    """Read the state of a directory; empty for a new one.

    Raises:
        StackError: the file exists but cannot be read.
    """
    path = directory / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        children = {name: (int(pid), float(at)) for name, (pid, at) in content["children"].items()}
        ports = {name: int(port) for name, port in content["ports"].items()}
        passwords = {name: str(secret) for name, secret in content["secrets"].items()}
    except FileNotFoundError:
        return LocalState(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise StackError(
            f"{path} cannot be read ({exc}); it has the passwords of the local servers: restore it, "
            "or use another --data-dir"
        ) from exc
    return LocalState(path, ports, passwords, children)
