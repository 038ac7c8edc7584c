"""How `reelq campaign export|sheet|download|share` reach the results: in the database and the bucket, or through the
API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, Protocol
from uuid import UUID

import orjson
import typer
from pydantic import TypeAdapter

from producer.campaigns.results.download import FromBucket, Videos
from producer.campaigns.results.posters import with_posters, without_posters
from producer.campaigns.results.results import Result, Results
from producer.campaigns.results.sharing import share_url
from producer.campaigns.results.tables import as_csv, as_jsonl, count_lines
from producer.campaigns.results.wall import POSTER_PX as WALL_PX
from producer.campaigns.results.wall import as_wall
from producer.campaigns.results.workbook import MOST_POSTERS, POSTER_PX, write_workbook
from producer.campaigns.status import campaign_status
from producer.cli.campaigns.results.options import links_for
from producer.cli.doors.choice import api_client
from producer.cli.shared.access import settings_of
from producer.cli.shared.data_dir import directory
from producer.web.language import LANGUAGES, catalogue
from seedance.problems import InvalidInput, Problem
from storage import decisions
from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable
from storage.campaigns import shares
from storage.campaigns.controls import subject_of
from storage.campaigns.reviews import Review
from storage.campaigns.rows import RowFilter
from storage.campaigns.shares import Share
from storage.database import Database, connect
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.settings import Settings, read_stack
from storage.settings import data_dir as data_directory

if TYPE_CHECKING:
    from reelq_client import Reelq
