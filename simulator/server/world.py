"""The state of one simulator in one object, so that the parts can be passed together."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from simulator.dialects.assets import AssetStore
from simulator.dialects.base import Dialect
from simulator.dialects.registry import all_dialects
from simulator.faults.rules import FaultRules
from simulator.options import SimulatorOptions
from simulator.server.callbacks import Callbacks
from simulator.server.ledger import Ledger
from simulator.store.signing import LinkSigner
from simulator.tasks.engine import Engine
from simulator.tasks.journal import Journal
from simulator.tasks.limits import AccountLimits, Limiter
from simulator.tasks.timing import timing_of
from simulator.wire.webhook_signer import WebhookSigner


@dataclass(frozen=True, slots=True)
class World:
    options: SimulatorOptions
    dialects: Mapping[str, Dialect]
    engine: Engine
    assets: AssetStore
    ledger: Ledger
    faults: FaultRules
    limiter: Limiter
    signer: LinkSigner
    journal: Journal
    callbacks: Callbacks
    webhook_signer: WebhookSigner


def make_world(options: SimulatorOptions) -> World:
    journal = Journal(options.journal)
    seed = options.seed
    if seed is None:  # reuse the journal's seed: it keeps generation times and links the same after a restart
        saved = journal.saved_seed()
        seed = saved if saved is not None else secrets.randbits(32)
    engine = Engine(seed, timing_of(options), options.clock)
    assets = AssetStore(engine.clock, options.asset_seconds, journal.note_assets)
    ledger = Ledger(engine, assets)
    faults = FaultRules(seed)
    webhook_signer = WebhookSigner(seed, options.webhook_secret)
    return World(
        options=options,
        dialects=all_dialects(),
        engine=engine,
        assets=assets,
        ledger=ledger,
        faults=faults,
        limiter=Limiter(AccountLimits(options.requests_per_minute, options.max_in_flight)),
        signer=LinkSigner(seed),
        journal=journal,
        callbacks=Callbacks(engine, ledger, faults, options.callback_hosts, webhook_signer),
        webhook_signer=webhook_signer,
    )
