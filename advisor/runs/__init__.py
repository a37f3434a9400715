"""Runs: what was launched, kept in an append-only ledger; sent once, followed, evaluated, receipted."""

from __future__ import annotations

from advisor.runs.follow.cancel import cancel, delete_uploads
from advisor.runs.follow.watch import Update, Watch
from advisor.runs.launch.quote import quote
from advisor.runs.launch.submit import Order, discard, record, send, stage
from advisor.runs.ledger import Ledger
from advisor.runs.provider_events import events_file, keep_events, read_events
from advisor.runs.quote_accuracy import Accuracy, accuracy, informed
from advisor.runs.receipt import Receipt, receipt, receipt_of, settle
from advisor.runs.run import Event, Origin, Quote, Run
from advisor.runs.run_view import View, view

__all__ = [
    "Accuracy",
    "Event",
    "Ledger",
    "Order",
    "Origin",
    "Quote",
    "Receipt",
    "Run",
    "Update",
    "View",
    "Watch",
    "accuracy",
    "cancel",
    "delete_uploads",
    "discard",
    "events_file",
    "informed",
    "keep_events",
    "quote",
    "read_events",
    "receipt",
    "receipt_of",
    "record",
    "send",
    "settle",
    "stage",
    "view",
]
