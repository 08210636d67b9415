"""One delivery for each matching subscription of an event, exactly once."""
