"""Numbers and labels to class probabilities; knows nothing of networks."""
