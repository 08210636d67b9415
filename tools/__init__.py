"""Scripts of this checkout: real tools for the tests, and what is generated. Not in the wheel."""
