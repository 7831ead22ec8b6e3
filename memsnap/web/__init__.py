"""The daemon's HTTP server: health, metrics, the API and the page."""
