"""The traffic laboratory: real programs in network namespaces, captured with their ground truth."""
