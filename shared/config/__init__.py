"""The settings of a run: recipe, presets, protocols, precision, and the random streams that follow its seed."""
