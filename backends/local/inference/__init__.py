"""Asking a model on this machine, and what is written from its weights."""
