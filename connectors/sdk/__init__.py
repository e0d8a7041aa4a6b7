"""What a connector's author imports: tables as data, scans, authentication, transport, pagination, errors."""
