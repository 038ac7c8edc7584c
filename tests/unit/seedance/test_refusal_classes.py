"""Each refusal that the simulator can send has its class, in Ark's form and wrapped by new-api."""

from __future__ import annotations

from typing import Any

import pytest

from seedance.errors import (
    AccountProblem,
    GatewayError,
    ModelProblem,
    Moderated,
    Rejected,
    Throttled,
)
from seedance.gateways.base import WireAnswer
from seedance.gateways.registry import DIALECTS
from simulator.dialects.registry import all_dialects
from simulator.wire.ark_error import QUOTAS, REFUSALS, refusal

CLASSES: dict[str, tuple[type[GatewayError], dict[str, Any]]] = {
    "ModelNotOpen": (ModelProblem, {"kind": "not_open"}),
    "UnsupportedModel": (ModelProblem, {"kind": "unknown_model"}),
    "SetLimitExceeded": (ModelProblem, {"kind": "limit"}),
    "OperationDenied.ServiceNotOpen": (ModelProblem, {"kind": "not_open"}),
    "OperationDenied.PermissionDenied": (ModelProblem, {"kind": "not_open"}),
    "OperationDenied.ServiceOverdue": (AccountProblem, {"kind": "billing"}),
    "InvalidSubscription": (AccountProblem, {"kind": "billing"}),
    "AccountOverdueError": (AccountProblem, {"kind": "billing"}),
    "InvalidParameter": (Rejected, {"field": "camera_fixed"}),
    "InvalidParameter.TaskTypeConstraint": (Rejected, {"field": "ratio"}),
    "InvalidParameter.TaskTypeMismatch": (Rejected, {"field": None}),
    "InvalidResolutionParameter": (Rejected, {"field": "resolution"}),
    "ModelParameterNotSupported": (Rejected, {"field": "output_format"}),
    "InputImageSensitiveContentDetected.PrivacyInformation": (Moderated, {"stage": "input", "modality": "image"}),
    "QuotaExceeded": (Throttled, {"retry_after_s": None}),
    "QuotaExceeded.Concurrency": (Throttled, {"retry_after_s": None}),
}


SIMULATED = all_dialects()


def read(gateway: str, code: str, quota: str = "queue", reset_s: float = 0) -> GatewayError:
    """The error that the gateway's dialect reads from the simulator's answer to a create."""
    answer = SIMULATED[gateway].rejected(refusal(code, quota, reset_s))
    assert isinstance(answer.body, bytes)
    return DIALECTS[gateway].read_error("submit", WireAnswer(answer.status, {}, answer.body))


@pytest.mark.parametrize("code", REFUSALS)
def test_each_refusal_has_its_class(code: str) -> None:
    kind, attributes = CLASSES[code]
    error = read("ark", code)
    assert type(error) is kind
    assert {name: getattr(error, name) for name in attributes} == attributes
    wrapped = read("anyfast", code)
    # The gateway's own account at Ark concerns the models that it buys there, not our account.
    assert type(wrapped) is (ModelProblem if kind is AccountProblem else kind)


@pytest.mark.parametrize("quota", QUOTAS)
def test_the_three_quotas_of_one_code(quota: str) -> None:
    error = read("ark", "QuotaExceeded", quota, reset_s=600)
    if quota == "trial":
        assert isinstance(error, AccountProblem) and error.kind == "billing"
        return
    assert isinstance(error, Throttled)
    if quota == "queue":
        assert error.retry_after_s is None
    else:
        assert error.retry_after_s is not None and 500 < error.retry_after_s <= 600
