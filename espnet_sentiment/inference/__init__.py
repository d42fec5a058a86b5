"""Predicting the sentiment of any recording; see ``speech2sentiment.py``."""
