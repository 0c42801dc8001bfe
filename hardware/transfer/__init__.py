"""Transfer: predicted latencies on devices where only a few whole networks were measured."""
