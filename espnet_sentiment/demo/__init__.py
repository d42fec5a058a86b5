"""A small local page: record or upload, see the label and the words by attention."""
