"""Records and topics: the contract between the services. Pure; imports nothing of ours."""
