"""OpenAI's protocol, which several hosts speak."""
