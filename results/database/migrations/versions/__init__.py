"""One file for each revision of the tables: `r<four digits>_<what>.py`; a published one never changes again."""
