"""The typed source of what is generated in `helm/hooklane`: values, their schema, topics."""
