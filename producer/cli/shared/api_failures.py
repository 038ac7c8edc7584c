"""What to print for an error of `reelq_client`."""

from __future__ import annotations

from reelq_client import ApiError, NotAuthenticated, NotPossible, WaitTimeout

from producer.cli.shared.exit_codes import BAD_INPUT, SOME_FAILED


def explain_api(error: BaseException) -> tuple[str, int]:
    """The message, and the exit code."""
    match error:
        case WaitTimeout():
            return str(error), SOME_FAILED
        case NotPossible():
            return error.detail, SOME_FAILED
        case NotAuthenticated():
            return f"{error.detail}; run `reelq login URL`, or set REELQ_API_KEY", BAD_INPUT
        case ApiError(advice=advice) if advice:
            return f"{error}. {advice}", BAD_INPUT
        case _:
            return str(error), BAD_INPUT
