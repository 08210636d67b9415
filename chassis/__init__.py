"""What any of our processes needs; no word of the domain. Imports nothing of ours."""
