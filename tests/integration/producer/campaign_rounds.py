"""A campaign by command against a gateway whose tasks end when a test says so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from producer.campaigns.status import campaign_status
from storage.campaigns import rows
from storage.campaigns.rows import RowView
from tests.integration.producer.command_line import CommandLine
from tests.integration.producer.command_line import Run as RunLine
from tests.integration.submitting.doubtful_gateway import DoubtfulGateway
from tests.integration.submitting.rounds import World

NAME = "lamps"


@dataclass(frozen=True, slots=True)
class Run:
    """Runs `reelq campaign …`."""

    line: RunLine

    def __call__(self, verb: str, *arguments: object) -> tuple[int, dict[str, Any], str]:
        """With `--json`: (exit code, what it prints, standard error)."""
        code, out, err = self.line("campaign", verb, *arguments, "--json")
        return code, json.loads(out or "{}"), err

    def text(self, verb: str, *arguments: object) -> tuple[int, str, str]:
        """As people see it: (exit code, standard output, standard error)."""
        return self.line("campaign", verb, *arguments)


def run_in(world: World, rates: Sequence[Mapping[str, Any]], command_line: CommandLine) -> Run:
    """Commands that see the account of this world."""
    [account] = world.settings.accounts
    given = {"name": "main", "gateway": "ark", "api_key": "sk-main", "base_url": account.base_url, "rates": rates}
    return Run(command_line.with_environ(world.settings, [given]))


def enqueue(run: Run, *arguments: object) -> dict[str, Any]:
    """Run the sheet as the campaign `NAME`."""
    code, found, err = run("run", "lamps.csv", "--name", NAME, "--key", "sku", *arguments)
    assert code == 0, err
    return found


def go(world: World, gateway: DoubtfulGateway) -> None:
    """Everything that is due is made."""
    world.submit(world.claim())
    gateway.finish()
    world.poll()
    world.transfer()


def rows_of(world: World, tenant: str = "default") -> list[RowView]:
    """The rows of the campaign, in the order of the sheet."""
    with world.begin() as conn:
        return list(rows.stream_rows(conn, campaign_status(conn, tenant, NAME).id))


def states(world: World) -> list[str]:
    """The states of the rows."""
    return [str(row.state) for row in rows_of(world)]
