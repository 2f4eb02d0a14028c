"""What a flow is: the record, batches of it, keys over it and the meter that makes it from packets."""
