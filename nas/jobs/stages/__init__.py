"""The steps of a job: each takes what it reads and returns what it made."""
