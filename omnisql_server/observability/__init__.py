"""What the server tells about itself: logs, traces and metrics."""
