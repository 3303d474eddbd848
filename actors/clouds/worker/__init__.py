"""What makes a stock image a worker: user-data, its START expression, its token."""
