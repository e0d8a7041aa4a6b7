"""SaaS APIs as tables: the SDK that connector authors import, the connectors, and their simulators."""
