"""How Redis is reached, safely: addresses, Sentinel, an embedded server, its clock, and whether it lost data."""
