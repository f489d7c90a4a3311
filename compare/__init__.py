"""The comparison: starts workers, reads their files, makes the table. Imports no framework."""
