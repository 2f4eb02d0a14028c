"""Eddyline finds anomalies in network traffic and says, one sentence each, what is not normal here."""
