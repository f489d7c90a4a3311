"""Files of arrays by anybody, read within bounds and without running anything in them."""
