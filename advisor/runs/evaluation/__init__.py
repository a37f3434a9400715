"""Asking models the held-out questions, and what is told from their answers."""
