"""The wizard: it asks, then makes the same calls as the commands."""
