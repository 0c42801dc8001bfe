"""The stages of a job, as functions from what a stage reads to what it makes."""
