"""Every refusal becomes the error of our tree that names the remedy, and none repeats a key."""

from __future__ import annotations

import json

import pytest

from backends import (
    AccessClosed,
    AuthenticationFailed,
    BackendError,
    FileRejected,
    FundsMissing,
    JobNotFound,
    ModelNotTunable,
    OutcomeUnknown,
    ProviderUnavailable,
    QuestionRefused,
    RateLimited,
    SpecRefused,
    wait_s,
)
from backends._refusals import About, HttpRefusal, Provider, RightMissing, read, translate

HOUSE = Provider("house", "House", "HOUSE_API_KEY", "house", "HOUSE_BASE_URL", closed="Train elsewhere.")


def error(
    status: int,
    message: str = "no",
    code: str | None = None,
    about: About = About.OTHER,
    paid: bool = False,
    headers: dict[str, str] | None = None,
) -> BackendError:
    body = json.dumps({"error": {"message": message, "code": code}}).encode()
    refusal = read(HttpRefusal(status, headers or {}, body))
    assert refusal is not None
    return translate(refusal, HOUSE, about=about, paid=paid, secret="hunter2-hunter2")


@pytest.mark.parametrize(
    ("found", "kind", "word"),
    [
        (error(401), AuthenticationFailed, "Set HOUSE_API_KEY"),
        (error(403, "not yours"), RightMissing, "may not do that: not yours."),
        (error(403, code="training_not_available"), AccessClosed, "Train elsewhere."),
        (error(402, "pay"), FundsMissing, "Add credit"),
        (error(429, "quota", "insufficient_quota"), FundsMissing, "Add credit"),
        (error(400, "Fine-tuning jobs cannot be created on an Explore plan."), FundsMissing, "Explore plan"),
        (error(404, about=About.MODEL), ModelNotTunable, "does not offer this model"),
        (error(422, "Model not available for this type of fine-tuning"), ModelNotTunable, "does not offer"),
        (error(404, about=About.JOB), JobNotFound, "knows no such job"),
        (error(404, about=About.FILE), FileRejected, "tunewise check DATA --for house"),
        (error(413, about=About.FILE), FileRejected, "refused the file"),
        (error(400, "bad", "invalid_training_file"), FileRejected, "refused the file"),
        (error(400, "suffix too long"), SpecRefused, "suffix too long."),
        (error(422, "The specified training destination does not exist"), SpecRefused, "cannot write the destination"),
        (
            error(400, "Line 3 of the file: 'destination' is no tool of the row"),
            SpecRefused,
            "refused the request (400)",
        ),
        (error(400, "Line 9 of the training file: label 'billing' is no text"), FileRejected, "refused the file"),
        (error(429, "Please check your billing page"), FundsMissing, "Add credit"),
        (error(429, headers={"retry-after": "90"}), RateLimited, "in 90 seconds"),
        (error(429, headers={"retry-after-ms": "1500"}), RateLimited, "in 2 seconds"),
        (error(429, headers={"retry-after": "600"}), RateLimited, "in 10 minutes"),
        (error(429, "Request was throttled. Expected available in 1 second."), RateLimited, "in 1 second."),
        (error(429), RateLimited, "does not say when"),
        (error(429, code="daily_rate_limit_exceeded"), RateLimited, "daily limit"),
        (error(429, code="daily_rate_limit_exceeded", headers={"retry-after": "10800"}), RateLimited, "in 3 hours"),
        (error(429, "Please retry after 39 seconds."), RateLimited, "in 39 seconds"),
        (error(429, "Please try again in 6m0s."), RateLimited, "in 6 minutes"),
        (
            error(429, headers={"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}),
            RateLimited,
            "in 6 minutes",
        ),
        (
            error(
                429, headers={"retry-after": "Sun, 22 Nov 2026 12:01:30 GMT", "date": "Sun, 22 Nov 2026 12:00:00 GMT"}
            ),
            RateLimited,
            "in 90 seconds",
        ),
        (error(503, headers={"retry-after": "90"}), ProviderUnavailable, "again in 90 seconds"),
        (error(400, "filtered", "content_filter", about=About.MODEL), QuestionRefused, "content filter refused"),
        (
            error(400, "The response was filtered due to Azure OpenAI's content management policy", about=About.MODEL),
            QuestionRefused,
            "content filter refused",
        ),
        (
            error(
                400, "This model's maximum context length is 8192 tokens", "context_length_exceeded", about=About.MODEL
            ),
            QuestionRefused,
            "too long",
        ),
        (error(422, "input too long: maximum sequence length is 4096", about=About.MODEL), QuestionRefused, "too long"),
        (error(307, headers={"location": "https://elsewhere.example/v1"}), ProviderUnavailable, "elsewhere.example"),
        (error(301, paid=True), OutcomeUnknown, "not known whether the job was created"),
        (error(500), ProviderUnavailable, "answered 500"),
        (error(503, paid=True), OutcomeUnknown, "not known whether the job was created"),
        (error(408, paid=True), OutcomeUnknown, "not known whether"),
        (error(409, paid=True), OutcomeUnknown, "not known whether"),
        (error(400, paid=True), SpecRefused, "Nothing was created"),
        (error(429, paid=True), RateLimited, "limits the request rate"),
    ],
)
def test_the_meaning_of_a_refusal(found: BackendError, kind: type[BackendError], word: str) -> None:
    assert type(found) is kind
    assert word in str(found)
    assert str(found).endswith((".", "!", "?"))


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "3600"}, 3600),
        ({"retry-after": "99999999999"}, 86_400),
        ({"retry-after": "1e400"}, 86_400),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400),
        ({"retry-after": "Sun, 32 Nov 2026 12:00:00 GMT"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:00"}, None),  # of no zone
        ({"x-ratelimit-reset": "1.5"}, 1.5),
        ({"x-ratelimit-reset-tokens": "1h2m3s"}, 3723),
        ({"x-ratelimit-reset-tokens": "inf"}, None),
        ({"x-ratelimit-reset": "1000000001"}, 0),  # a second of 2001
    ],
)
def test_how_long_a_provider_wants_to_be_left_alone(headers: dict[str, str], wait: float | None) -> None:
    found = error(429, headers=headers)
    assert isinstance(found, RateLimited)
    assert found.retry_after_s == wait
    assert wait_s(found, 2.0) == min(max(2.0, wait or 0.0), 300.0)


@pytest.mark.parametrize(
    "message",
    [
        "Incorrect API key provided: hunter2-hunter2.",
        "Authorization: Bearer hunter2-hunter2",
        "key sk-proj-abcdef123456 is wrong",
        "token r8_abcdefghijkl0123",
    ],
)
def test_no_key_is_repeated(message: str) -> None:
    for status in (400, 403, 429):
        text = str(error(status, message))
        assert "hunter2" not in text and "abcdef" not in text
        assert "[key]" in text


def test_a_mistake_of_ours_stays_a_mistake() -> None:
    assert read(TypeError("an argument is missing")) is None
    assert read(KeyError("status")) is None


def test_a_page_of_html_is_no_reply() -> None:
    found = read(json.JSONDecodeError("Expecting value", "<html>", 0))
    assert found is not None and found.status is None
    assert type(translate(found, HOUSE, paid=True)) is OutcomeUnknown


def test_arguments_the_sdk_refuses_were_never_sent() -> None:
    found = read(ValueError("batch size too high"))
    assert found is not None
    assert type(translate(found, HOUSE, paid=True)) is SpecRefused
