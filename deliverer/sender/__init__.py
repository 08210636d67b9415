"""The one HTTP client of the product: prepared request in, result out, never an exception."""
