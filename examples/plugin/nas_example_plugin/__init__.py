"""A searcher, a predictor, a space, a quantiser and a metric that nas finds by their entry points."""
