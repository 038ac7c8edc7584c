"""Options that choose rows of a campaign, and what decisions about them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from producer.campaigns.decisions.choice import Choice, choose
from seedance.problems import InvalidInput, Problem

NONE_CHOSEN = "choose rows with --rows, --key, --state, --review, --reason or --all"

Rows = Annotated[
    str | None,
    typer.Option("--rows", metavar="2-10,14", help="Rows, as a spreadsheet counts them.", show_default=False),
]
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="KEY", help="A row by its key, such as its SKU; repeatable.", show_default=False),
]
States = Annotated[
    list[str] | None, typer.Option("--state", help="Rows in this state; repeatable.", show_default=False)
]
Reviews = Annotated[
    list[str] | None,
    typer.Option("--review", help="Rows that are open, approved or rejected; repeatable.", show_default=False),
]
Reasons = Annotated[
    list[str] | None,
    typer.Option("--reason", metavar="CODE", help="Rows with this reason; repeatable.", show_default=False),
]
AllRows = Annotated[bool, typer.Option("--all", help="Every row of the campaign.")]
Operation = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="The id of this operation: the same command with it again does nothing, another one is refused.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; do nothing.")]
Comment = Annotated[str | None, typer.Option(help="Why, for the others who look at it.", show_default=False)]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME=VALUE",
        help="A field of the rows that still wait, such as priority=9 or duration=5; repeatable.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """The options that choose rows, for `option_groups.spread`."""

    rows: Rows = None
    keys: Keys = None
    states: States = None
    reviews: Reviews = None
    reasons: Reasons = None
    all_rows: AllRows = False

    def choice(self) -> Choice | None:
        """The choice that they make; None: they make none.

        Raises:
            InvalidInput: it cannot be read.
        """
        return choose(
            rows=self.rows,
            keys=self.keys or (),
            states=self.states or (),
            reviews=self.reviews or (),
            reasons=self.reasons or (),
            all_rows=self.all_rows,
        )

    def required(self) -> Choice:
        """The same.

        Raises:
            InvalidInput: nothing is chosen, or it cannot be read.
        """
        if (choice := self.choice()) is None:
            raise InvalidInput([Problem("", NONE_CHOSEN)])
        return choice
