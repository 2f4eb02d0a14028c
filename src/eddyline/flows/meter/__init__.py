"""Packets → bidirectional flows: compiled kernels over the bytes of a capture, and the rows they give."""
