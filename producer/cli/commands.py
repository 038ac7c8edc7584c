"""Every command by its name, and the module that has it.

Only the command that a command line names is imported: all of them together take five times as long to import as one.
This is the place for it. A command's own module imports at its top what it needs, like any other module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from producer.cli.shared.collector import collect_as_usual


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its module in `producer.cli`, its function there, and its line in help, which is how the function's
    own help begins. `passes_on`: its options belong to a program that it runs; `serves`: it runs until it
    is stopped."""

    module: str
    function: str
    summary: str
    passes_on: bool = False
    serves: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that belong together, and their line in help."""

    summary: str
    commands: Mapping[str, Command]


JOBS = Group(
    "List, show, cancel, retry, finalize and resolve jobs.",
    {
        "list": Command("jobs.list", "list_jobs", "List jobs, newest first."),
        "show": Command("jobs.show", "show", "Show one job."),
        "cancel": Command("jobs.actions", "cancel", "Cancel jobs."),
        "retry": Command("jobs.actions", "retry", "Enqueue failed or cancelled jobs again."),
        "finalize": Command("jobs.finalize", "finalize", "Make the final videos of drafts."),
        "playable": Command("jobs.playable", "playable", "Make copies of videos that every browser plays."),
        "resolve": Command("jobs.resolve", "resolve", "Decide about unconfirmed jobs, after a look at the gateway."),
    },
)
CAMPAIGN = Group(
    "Run and manage campaigns: many jobs from one file.",
    {
        "init": Command("campaigns.init", "init", "Write a sheet and a template to start from."),
        "plan": Command(
            "campaigns.plan", "plan", "Check every row of a file, and show what a run would cost and take."
        ),
        "run": Command("campaigns.run", "run", "Enqueue every row of a file, all or none."),
        "list": Command("campaigns.list", "list_campaigns", "List campaigns, newest first."),
        "status": Command(
            "campaigns.status",
            "status",
            "Show a campaign's rows, its costs, what to do about rows that wait or failed, and who decided what.",
        ),
        "approve": Command("campaigns.decisions", "approve", "Approve videos."),
        "reject": Command("campaigns.decisions", "reject", "Reject videos."),
        "reroll": Command(
            "campaigns.decisions", "reroll", "Generate rows again with another seed, or as the edited sheet asks."
        ),
        "retry": Command(
            "campaigns.decisions",
            "retry",
            "Enqueue rows again that failed or were cancelled; all of them, unless some are chosen.",
        ),
        "set": Command(
            "campaigns.controls",
            "change",
            "Set a campaign's budget, share of the slots, pace and recipients of mail, or fields of waiting rows.",
        ),
        "pause": Command("campaigns.controls", "pause", "Stop submitting jobs of a campaign."),
        "resume": Command(
            "campaigns.controls", "resume", "Continue a paused campaign, or submit rows that were kept back."
        ),
        "cancel": Command(
            "campaigns.controls", "cancel", "Cancel every row of a campaign, or some, that is free to cancel."
        ),
        "export": Command(
            "campaigns.results.export", "export", "Write the sheet of a campaign, with the results beside each row."
        ),
        "download": Command("campaigns.results.download", "download", "Download the videos of a campaign."),
        "sheet": Command("campaigns.results.sheet", "sheet", "Write a page with all videos of a campaign."),
        "share": Command(
            "campaigns.results.share", "share", "Make a link to a page with a campaign's videos. It needs no key."
        ),
    },
)
ASSETS = Group(
    "Upload and list assets: files that a gateway keeps.",
    {
        "upload": Command("gateways.asset_upload", "upload", "Upload files as assets of an account."),
        "list": Command("gateways.asset_list", "list_assets", "List assets, or the files that a tenant has uploaded."),
        "give": Command("gateways.asset_give", "give", "Let a tenant name assets."),
    },
)
ACCOUNTS = Group(
    "List, add, change, pause and remove gateway accounts.",
    {
        "list": Command("gateways.accounts", "list_accounts", "List accounts in the order they are tried."),
        "add": Command("gateways.account_changes", "add", "Add an account."),
        "set": Command(
            "gateways.account_changes",
            "change",
            "Change an account of the database: its limits, the tenants that it serves, its models.",
        ),
        "rekey": Command("gateways.account_changes", "rekey", "Give an account a new key."),
        "pause": Command("gateways.account_changes", "pause", "Submit nothing more to an account."),
        "resume": Command("gateways.account_changes", "resume", "Use a paused or suspended account again."),
        "remove": Command("gateways.account_changes", "remove", "Remove an account of the database."),
        "reencrypt": Command("gateways.account_changes", "reencrypt", "Encrypt every key with the first master key."),
        "master-key": Command(
            "gateways.account_changes",
            "master_key",
            "Print a new master key, for REELQ_MASTER_KEY or a file that REELQ_MASTER_KEY_FILE names.",
        ),
    },
)
MODELS = Group(
    "List the models that accounts can use, and what each can do.",
    {
        "list": Command("gateways.models", "list_models", "List the models of each account."),
        "show": Command("gateways.models", "show", "Show everything that is known of a model."),
    },
)
KEYS = Group(
    "Create, list, rotate and revoke API keys.",
    {
        "create": Command("tenants.keys", "create", "Create a key and print it."),
        "list": Command("tenants.keys", "list_keys", "List keys, oldest first."),
        "rotate": Command(
            "tenants.keys", "rotate", "Create a key in place of another, with its tenant, name and scopes."
        ),
        "revoke": Command("tenants.keys", "revoke", "Revoke a key for good."),
        "purse": Command("tenants.purses", "purse", "Show or set what a key may spend."),
    },
)
TENANTS = Group(
    "List tenants and set their shares, limits and budgets.",
    {
        "list": Command("tenants.tenants", "list_tenants", "List tenants."),
        "set": Command(
            "tenants.tenants",
            "set_tenant",
            "Set a tenant's share of the slots, its limit, its budget, and who gets mail about its campaigns.",
        ),
    },
)
WEBHOOKS = Group(
    "Manage endpoints, inspect and replay deliveries.",
    {
        "add": Command("webhooks.endpoints", "add", "Add an endpoint: a URL that receives events."),
        "remove": Command("webhooks.endpoints", "remove", "Remove an endpoint."),
        "rotate": Command("webhooks.endpoints", "rotate", "Replace an endpoint's secret and print the new one."),
        "enable": Command("webhooks.endpoints", "enable", "Enable an endpoint again."),
        "disable": Command("webhooks.endpoints", "disable", "Disable an endpoint."),
        "list": Command("webhooks.list", "list_webhooks", "List endpoints and messages, newest message first."),
        "replay": Command("webhooks.replay", "replay", "Send messages again."),
        "test": Command("webhooks.send_test", "send_test", "Send a test event once and print the answer."),
        "secret": Command(
            "webhooks.secret", "secret", "Print the secrets that verify deliveries to the webhook_url of jobs."
        ),
    },
)
DATABASE = Group(
    "Upgrade, back up and restore the database.",
    {
        "upgrade": Command("database.upgrade", "upgrade", "Upgrade the database schema."),
        "dump": Command("database.dump", "dump", "Back up the database into one file."),
        "restore": Command("database.restore", "restore", "Replace the database by a backup."),
        "status": Command("database.status", "status", "Show the schema, the journal and what a restore has left."),
        "confirm": Command("database.status", "confirm", "Submit again although the journal leaves doubts."),
        "recount": Command(
            "database.recount",
            "recount",
            "Count all jobs and webhook messages again, and correct the counts that are kept of them.",
        ),
    },
)
COMMANDS: Mapping[str, Command | Group] = {
    "up": Command("setup.up", "up", "Run the whole system on this machine.", serves=True),
    "demo": Command("setup.rehearsal", "demo", "Run a campaign of 12 jobs through the whole system.", serves=True),
    "submit": Command("jobs.submit", "submit", "Enqueue one job and print its id."),
    "explain": Command("jobs.explain", "explain", "Show what each account would be sent for a job, and at what cost."),
    "jobs": JOBS,
    "campaign": CAMPAIGN,
    "assets": ASSETS,
    "accounts": ACCOUNTS,
    "models": MODELS,
    "keys": KEYS,
    "tenants": TENANTS,
    "webhooks": WEBHOOKS,
    "db": DATABASE,
    "bucket": Group("Create the bucket.", {"create": Command("setup.bucket", "create", "Create the buckets.")}),
    "login": Command("login.commands", "login", "Use the API of a server elsewhere from now on."),
    "logout": Command("login.commands", "logout", "Forget the API and its key."),
    "whoami": Command("login.commands", "whoami", "Show the API in use, the tenant and what the key may do."),
    "doctor": Command("setup.doctor", "doctor", "Check the configuration and every part of the system."),
    "mcp": Command("mcp", "serve", "Serve an agent over standard input and output.", serves=True),
    "simulator": Command("setup.rehearsal", "simulator", "Run a simulated gateway.", passes_on=True, serves=True),
    "bench": Command("setup.rehearsal", "bench", "Compare reelq with its alternatives.", passes_on=True),
}
"""In the order in which help shows them."""


class CommandGroup(TyperGroup):
    """Commands by their summaries; one of them is imported when a command line names it."""

    def __init__(self, entries: Mapping[str, Command | Group], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._entries = entries
        self.commands = {name: TyperCommand(name, help=entry.summary) for name, entry in entries.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that a command line names, whole."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, None if found is None or name is None else load(name, self._entries[name]), rest


class AllCommands(CommandGroup):
    """The commands of `reelq`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(COMMANDS, **attributes)


def command_in(arguments: Sequence[str]) -> str:
    """The command that a command line names, such as `jobs list`; "": none."""
    words: list[str] = []
    among: Mapping[str, Command | Group] = COMMANDS
    for argument in arguments:
        entry = among.get(argument)
        if entry is not None:
            words.append(argument)
            among = entry.commands if isinstance(entry, Group) else {}
    return " ".join(words)


def load(name: str, entry: Command | Group) -> Any:
    """Import a command, or make a group of commands."""
    if isinstance(entry, Group):
        return CommandGroup(entry.commands, name=name, help=entry.summary, no_args_is_help=True)
    # Imported here, while the stack is short: the modules of a command import it at the end of a long chain. CPython
    # keeps frames in pieces of 16 KB, and asks the system for one at each call across the end of the last; the patterns
    # of tomllib alone made 750 such calls there, 5 ms.
    import tomllib  # noqa: F401

    function = getattr(import_module(f"producer.cli.{entry.module}"), entry.function)
    if entry.serves:
        collect_as_usual()
    holder = typer.Typer(add_completion=False)
    if entry.passes_on:
        settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
        holder.command(name, context_settings=settings, add_help_option=False)(function)
    else:
        holder.command(name)(function)
    return typer.main.get_command(holder)
