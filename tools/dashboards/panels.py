"""The panels of the dashboard, row by row: what each asks Prometheus.

Every API process shows the whole system, so each query takes the maximum over them (`max by`) before it adds up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["short", "s", "bytes", "Bps", "percentunit", "none"]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `queries`: the name of a line (with labels in braces) and its PromQL; `stat`: one number, no graph."""

    title: str
    unit: Unit
    queries: tuple[tuple[str, str], ...]
    help: str = ""
    stat: bool = False


def _of(metric: str, *labels: str) -> str:
    """The rate of a counter, by these labels, per second."""
    return f"max by ({', '.join(labels)}) (rate({metric}[$__rate_interval]))"


def _quantiles(metric: str, by: str, *labels: str) -> tuple[tuple[str, str], ...]:
    """The median and the 95th percentile of a histogram."""
    name = f"{{{{{by}}}}} " if by else ""
    kept = f"sum by ({by}, le)" if by else "sum by (le)"
    each = _of(f"{metric}_bucket{_ACCOUNT if 'account' in labels else ''}", *labels, "le")
    return tuple((f"{name}p{q * 100:g}", f"histogram_quantile({q:g}, {kept} ({each}))") for q in (0.5, 0.95))


_ACCOUNT = '{account=~"$account"}'
_SUBMITS = f"reelq_submits_total{_ACCOUNT}"

ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Now",
        (
            Panel("Queued", "short", (("", 'max(reelq_jobs{state="queued"}) or vector(0)'),), stat=True),
            Panel("Generating", "short", (("", 'max(reelq_jobs{state="generating"}) or vector(0)'),), stat=True),
            Panel("Copying", "short", (("", 'max(reelq_jobs{state="transferring"}) or vector(0)'),), stat=True),
            Panel("Held for a decision", "short", (("", "sum(max by (age) (reelq_jobs_held))"),), stat=True),
            Panel(
                "Until the first URL dies",
                "s",
                (("", "min(reelq_video_life_left_seconds)"),),
                "Of the videos that are not in the bucket yet. Empty: all are.",
                stat=True,
            ),
            Panel(
                "Parts without a process",
                "short",
                (("", "count(sum by (component) (max by (component, version) (reelq_instances)) == 0) or vector(0)"),),
                stat=True,
            ),
        ),
    ),
    (
        "Jobs",
        (
            Panel(
                "Jobs by state",
                "short",
                (
                    (
                        "{{state}}",
                        'max by (state) (reelq_jobs{state=~"queued|submitting|unconfirmed|generating|transferring"})',
                    ),
                ),
            ),
            Panel(
                "Why jobs wait", "short", (("{{state}}: {{reason}}", "max by (state, reason) (reelq_jobs_waiting)"),)
            ),
            Panel(
                "Jobs ended, by reason",
                "short",
                (
                    (
                        "{{state}}: {{reason}}",
                        "max by (state, reason) (increase(reelq_jobs_finished_total[$__rate_interval]))",
                    ),
                ),
            ),
            Panel("Held, by age", "short", (("{{age}}", "max by (age) (reelq_jobs_held)"),)),
        ),
    ),
    (
        "Gateways",
        (
            Panel(
                "POSTs by outcome",
                "short",
                (
                    (
                        "{{account}} {{outcome}}",
                        f"sum by (account, outcome) ({_of(_SUBMITS, 'account', 'model', 'outcome')})",
                    ),
                ),
                "Per second. throttled: refused, costs nothing; outcome_unknown: no clear answer.",
            ),
            Panel(
                "Seconds of a POST",
                "s",
                _quantiles("reelq_submit_seconds", "outcome", "account", "outcome"),
                "By outcome.",
            ),
            Panel(
                "Slots in use, learnt and configured",
                "short",
                (
                    ("{{account}} in use", f"max by (account) (reelq_account_in_flight{_ACCOUNT})"),
                    (
                        "{{account}} {{model}} learnt",
                        f"max by (account, model) (reelq_account_slots_learnt{_ACCOUNT})",
                    ),
                    (
                        "{{account}} {{model}} configured",
                        f"max by (account, model) (reelq_account_slots_configured{_ACCOUNT})",
                    ),
                ),
            ),
            Panel(
                "Paused accounts and models",
                "short",
                (
                    (
                        "{{account}} {{model}} {{why}}",
                        f"max by (account, model, why) (reelq_account_paused{_ACCOUNT})",
                    ),
                ),
            ),
            Panel(
                "Polls by outcome",
                "short",
                (("{{outcome}}", f"sum by (outcome) ({_of('reelq_polls_total' + _ACCOUNT, 'account', 'outcome')})"),),
                "Per second.",
            ),
            Panel("Lateness of polls", "s", _quantiles("reelq_poll_lateness_seconds", "account", "account")),
        ),
    ),
    (
        "Videos",
        (
            Panel(
                "Copies by outcome",
                "short",
                (
                    (
                        "{{outcome}}",
                        f"sum by (outcome) ({_of('reelq_transfers_total' + _ACCOUNT, 'account', 'outcome')})",
                    ),
                ),
                "Per second.",
            ),
            Panel(
                "Bytes copied",
                "Bps",
                (("{{account}}", _of(f"reelq_transfer_bytes_total{_ACCOUNT}", "account")),),
            ),
            Panel("Seconds of a copy", "s", _quantiles("reelq_transfer_seconds", "outcome", "outcome")),
            Panel(
                "From found to stored",
                "s",
                _quantiles("reelq_found_to_stored_seconds", "account", "account"),
                "From the poll that found a video to the video in the bucket.",
            ),
            Panel(
                "Videos by the share of their URL's life that is over",
                "short",
                (("{{percent}} %", "max by (percent) (reelq_videos_expiring)"),),
            ),
            Panel("Until the first URL dies", "s", (("", "min(reelq_video_life_left_seconds)"),)),
        ),
    ),
    (
        "Money and verdicts",
        (
            Panel(
                "Spend in the last hour",
                "short",
                (
                    (
                        "{{account}} {{currency}} {{basis}}",
                        f"max by (account, currency, basis) (increase(reelq_spend_total{_ACCOUNT}[1h]))",
                    ),
                ),
                "In units of the currency; estimated where the gateway reports no cost.",
            ),
            Panel(
                "Perhaps paid twice",
                "short",
                (("{{account}}", f"max by (account) (reelq_double_charges{_ACCOUNT})"),),
                "Attempts that were accepted beside the one that their job uses.",
            ),
            Panel(
                "Verdicts on videos",
                "short",
                (("{{decision}}", "max by (decision) (increase(reelq_reviews_total[1h]))"),),
                "Of people, in the last hour.",
            ),
        ),
    ),
    (
        "Parts",
        (
            Panel(
                "Processes",
                "short",
                (("{{component}} {{version}}", "max by (component, version) (reelq_instances)"),),
            ),
            Panel("Lag of the queues", "s", _quantiles("reelq_queue_lag_seconds", "queue", "queue")),
            Panel(
                "The most overdue job of each state",
                "s",
                (("{{state}}", 'max by (state) (reelq_job_lateness_seconds{state!="queued"})'),),
            ),
            Panel(
                "Not seen for",
                "s",
                (("{{component}}", "max by (component) (reelq_component_unseen_seconds)"),),
            ),
        ),
    ),
    (
        "Webhooks",
        (
            Panel(
                "Messages sent, by outcome",
                "short",
                (("{{outcome}}", _of("reelq_webhook_deliveries_total", "outcome")),),
                "Per second.",
            ),
            Panel("Seconds to the answer", "s", _quantiles("reelq_webhook_delivery_seconds", "")),
            Panel("Stored messages", "short", (("{{state}}", "max by (state) (reelq_webhook_messages)"),)),
            Panel("The oldest message", "s", (("", "max(reelq_webhook_oldest_seconds)"),)),
        ),
    ),
)
