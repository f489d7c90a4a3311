"""Files of arrays of any origin, read within bounds and without running anything in them."""
