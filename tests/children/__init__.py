"""Programs that tests start in processes of their own, because the pytest process imports no framework."""
