"""The suites that are committed under results/, and the page that sums them up."""
