"""The training recipe, read from train.py down."""
