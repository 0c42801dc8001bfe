"""Transfer: latencies on devices of which only a few whole networks were measured."""
