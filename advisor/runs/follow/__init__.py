"""Runs that were started: watching, cancelling, the receipt."""
