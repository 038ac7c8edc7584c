"""The tables of a campaign's rows, their versions, and the sheets that they come from."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.campaigns.reviews import Review
from storage.schema.tenants import NOW

_REVIEWS = tuple(review.value for review in Review)


class CampaignSheet(SQLModel, table=True):
    """One file that rows of a campaign came from, each time that it was read."""

    __tablename__ = "campaign_sheets"

    campaign_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("campaigns.id"), primary_key=True))
    # 1 for the first file of the campaign.
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    # The name of the file, and of the sheet in a workbook.
    file: str = Field(sa_column=Column(Text, nullable=False))
    sheet: str | None = Field(default=None, sa_column=Column(Text))
    # The names of all columns, in the order of the file; "" for one without a name.
    columns: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    # How each of them looks, as `producer.campaigns.reading.looks.formats` writes it; None: not known.
    formats: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    read_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    actor: str | None = Field(default=None, sa_column=Column(Text))


class CampaignRow(SQLModel, table=True):
    """One video that a campaign wants. Its id is that of its first job."""

    __tablename__ = "campaign_rows"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(f"review IN {_REVIEWS}", name="campaign_rows_review_check"),
        CheckConstraint("versions > 0", name="campaign_rows_versions_check"),
        # Pages in the order of the sheet, and rows by their numbers.
        Index("campaign_rows_number_idx", "campaign_id", "number", "id"),
        # Rows with several versions: few. The states of all others are those of the campaign's jobs.
        Index("campaign_rows_several_idx", "campaign_id", postgresql_where=text("job_id <> id")),
        # Rows about which people have decided.
        Index("campaign_rows_reviewed_idx", "campaign_id", "review", postgresql_where=text("review <> 'open'")),
        # Rows whose proof waits for a decision.
        Index("campaign_rows_proofs_idx", "campaign_id", postgresql_where=text("proof AND final IS NOT NULL")),
        # Whether a row of the sheet makes several of some.
        Index("campaign_rows_labels_idx", "campaign_id", "label", postgresql_where=text("label <> ''")),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    campaign_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("campaigns.id"), nullable=False))
    # The file that it was in last (`campaign_sheets.number`; 0: it came from none), and its number there, as a
    # spreadsheet counts.
    sheet: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    number: int = Field(sa_column=Column(Integer, nullable=False))
    # Which of several videos of one row of the sheet: the values of the matrix and the variant.
    label: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    # What names it for people, such as its SKU.
    key: str | None = Field(default=None, sa_column=Column(Text))
    # The cells of its row, in the order of the columns.
    cells: list[Any] = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'[]'::jsonb")))
    # The newest version. If that fails or is cancelled, `kept_job_id` stands for the row: an earlier version that has
    # succeeded.
    job_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    kept_job_id: UUID | None = Field(default=None, sa_column=Column(Uuid))
    versions: int = Field(default=1, sa_column=Column(SmallInteger, nullable=False, server_default="1"))
    # What people decided about the version that stands for it.
    review: str = Field(default="open", sa_column=Column(Text, nullable=False, server_default="open"))
    reviewed_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    reviewed_by: str | None = Field(default=None, sa_column=Column(Text))
    review_comment: str | None = Field(default=None, sa_column=Column(Text))
    # The hash of the request that the sheet asked for last; None: an older release, or no sheet, made it.
    asked_hash: str | None = Field(default=None, sa_column=Column(Text))
    # The newest version is a proof; approving it makes the final, with these fields of a job beside the proof's.
    proof: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    final: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    # What the sheet asks for since the newest version was submitted, as the fields of a job; its next version gets it.
    edit: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))


class SheetRowCount(SQLModel, table=True):
    """How many rows of sheets the rows of a campaign with labels were, when it had these numbers of rows and sheets."""

    __tablename__ = "sheet_row_counts"

    # No foreign key: what is kept of a campaign that is gone is not found.
    campaign_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    rows: int = Field(sa_column=Column(BigInteger, nullable=False))
    sheet: int = Field(sa_column=Column(Integer, nullable=False))
    sheet_rows: int = Field(sa_column=Column(BigInteger, nullable=False))


class CampaignVersion(SQLModel, table=True):
    """A job that was made for a row after its first one."""

    __tablename__ = "campaign_versions"
    __table_args__: ClassVar[Any] = (Index("campaign_versions_job_idx", "job_id", unique=True),)

    row_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("campaign_rows.id", ondelete="CASCADE"), primary_key=True))
    # 2 for the second job.
    version: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    job_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    # Why it was made: retry, reroll, final, edit.
    kind: str = Field(sa_column=Column(Text, nullable=False))


class CampaignOperation(SQLModel, table=True):
    """One decision about rows of a campaign, carried out once."""

    __tablename__ = "campaign_operations"
    __table_args__: ClassVar[Any] = (Index("campaign_operations_campaign_idx", "campaign_id", "at"),)

    tenant: str = Field(sa_column=Column(Text, primary_key=True))
    # Chosen by the caller, or generated.
    id: str = Field(sa_column=Column(Text, primary_key=True))
    campaign_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("campaigns.id"), nullable=False))
    verb: str = Field(sa_column=Column(Text, nullable=False))
    # Of the choice of rows and what was to be done with them; null: a program before 0055 began it.
    asked_hash: str | None = Field(default=None, sa_column=Column(Text))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    actor: str | None = Field(default=None, sa_column=Column(Text))
    # What it did, as its caller was answered.
    result: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
