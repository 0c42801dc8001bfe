"""The one loop that drives a searcher, and the record that lets it go on after a kill."""
