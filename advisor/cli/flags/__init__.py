"""Flags, and what stands below them: the settings file and the environment."""
