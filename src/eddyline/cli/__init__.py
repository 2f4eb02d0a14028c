"""Arguments become one call and one printed answer; one file per command."""
