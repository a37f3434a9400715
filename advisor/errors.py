"""What the thinking part raises: each message says what happened and what to do next, without markup.

AdvisorError         exit code 1
├── DataError        a data file cannot be used: names file, line, field and remedy
├── WorkloadError    the workload file or flags cannot be used
├── PriceError       the price file cannot be used, or a price is unknown where one is needed
├── OverLimit        over a money limit the user set: exit code 4
├── RunError         the ledger knows no such run, or the run is in no state for this
└── UsageError       what was asked for contradicts itself or leaves something out: exit code 2
"""

from __future__ import annotations


class AdvisorError(Exception):
    """Root of everything ``advisor`` raises on purpose."""

    exit_code = 1


class DataError(AdvisorError): ...


class WorkloadError(AdvisorError): ...


class PriceError(AdvisorError): ...


class OverLimit(AdvisorError):
    exit_code = 4


class RunError(AdvisorError): ...


class UsageError(AdvisorError):
    exit_code = 2
