"""From an order to a paid job: proposal, limits, quote, submission."""
