"""A launch as a person meets it: what is shown, asked and said."""
