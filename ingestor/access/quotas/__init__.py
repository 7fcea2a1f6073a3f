"""How much a tenant may use."""
