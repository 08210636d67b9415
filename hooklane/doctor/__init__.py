"""`hooklane doctor`: look at everything an installation needs, change nothing, say what to do."""
