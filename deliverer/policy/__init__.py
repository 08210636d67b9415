"""The rules of one partition, pure: they decide, the shell acts."""
