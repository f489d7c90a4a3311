"""Which wheels of the frameworks fit the cards of a machine; with the standard library alone, before any is there."""
