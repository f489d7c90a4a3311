"""From hash logits to binary codes, and codes in any form to packed words."""
