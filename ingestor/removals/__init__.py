"""How the services that keep parts of a process hear that it is deleted or has expired, and remove them."""
