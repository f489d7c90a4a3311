"""From features to binary codes, and codes in any form to packed words."""
