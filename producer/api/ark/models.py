"""Ark's names of models, as its clients write them, and the models of reelq that they stand for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from producer.api.videos.models import fields_of
from producer.http.problems import ApiProblem
from seedance.account import Account
from seedance.models.catalog import model_name
from seedance.problems import InvalidInput, shorten


def model_fields(model: str, accounts: Iterable[Account]) -> dict[str, Any]:
    """The field of a job that a name stands for, `tier` or `model`: an account's own name (also an endpoint, `ep-…`),
    an id of any platform of Ark, or a neutral name.

    Raises:
        ApiProblem: no model has that name, or no account sells it.
    """
    accounts = list(accounts)
    try:
        found = {} if model.lower().startswith("sora") else fields_of(model, accounts)
    except InvalidInput:
        found = {}
    if not found:
        detail = f"The model or endpoint {shorten(model)} does not exist or you do not have access to it"
        raise ApiProblem(404, "InvalidEndpointOrModel.NotFound", detail, param="model")
    if not any(_sells(account, found) for account in accounts):
        detail = f"No account has activated the model {shorten(model)}"
        raise ApiProblem(404, "ModelNotOpen", detail, param="model")
    return found


def _sells(account: Account, found: dict[str, Any]) -> bool:
    catalog = account.dialect.catalog
    if "tier" in found:
        return found["tier"] in catalog.tiers
    return model_name(found["model"], "standard") in catalog.models
