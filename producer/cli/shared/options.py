"""Options that commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from producer.cli.shared.data_dir import DataDir as DataDir

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Discard = Annotated[
    bool, typer.Option("--discard", help="Also give up submitted jobs. You will still be billed for them.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
OfTenant = Annotated[str, typer.Option("--tenant", help="The tenant; `reelq tenants list` shows them.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until every job finishes or needs a decision.")]
Notify = Annotated[
    list[str] | None,
    typer.Option(
        "--notify",
        metavar="ADDRESS",
        help='Who gets mail about it; repeat for more. "none": no one; "default": those whom the tenant names.',
        show_default=False,
    ),
]
BudgetText = Annotated[
    str | None,
    typer.Option("--budget", metavar="AMOUNT", help='Such as "100 CNY"; "none": no limit.', show_default=False),
]
Weight = Annotated[
    int | None,
    typer.Option(help="1 to 100: share of the slots; others have 1.", show_default=False),
]
CampaignName = Annotated[str, typer.Argument(metavar="NAME", help="The campaign.", show_default=False)]
