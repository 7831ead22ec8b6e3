"""A small Go service with one memory leak, and what it takes to build and run it."""
