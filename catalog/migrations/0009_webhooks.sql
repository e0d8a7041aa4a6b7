-- Secrets that vendors sign their webhooks with: which of the sealed ones they are, and for the server of which name.

CREATE TABLE control.webhooks (
    handle uuid PRIMARY KEY REFERENCES control.secrets ON DELETE CASCADE,
    server text NOT NULL,
    connector text NOT NULL
);
CREATE INDEX webhooks_by_server ON control.webhooks (server);
