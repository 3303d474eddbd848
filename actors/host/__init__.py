"""One `apf run`: what a host starts, which posts it holds, how it stops, and the port on which it is asked."""
