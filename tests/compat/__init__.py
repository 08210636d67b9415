"""Records of a released version, frozen, that this one must read and still write."""
