"""What a run is asked to be: recipe, presets, protocols, precision, and the random streams that follow its seed."""
