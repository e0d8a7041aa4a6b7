"""The server's own live state as one more source: schema `omnisql`."""
