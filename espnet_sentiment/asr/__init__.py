"""Recognising speech and finding the times of its words."""
