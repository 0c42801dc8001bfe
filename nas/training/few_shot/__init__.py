"""Few-shot NAS: which gene a supernet is split by, so that subnets that disagree no longer share weights."""
