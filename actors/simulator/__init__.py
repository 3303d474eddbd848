"""The same policies in virtual time: a trace of jobs, clouds with boot delays and prices, and what it all comes to."""
