"""Turns of conversations, in the formats that diarizers and people write."""
