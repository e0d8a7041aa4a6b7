-- What a tenant may use, where that is not what the server's settings say: numbers by the settings' names.

ALTER TABLE control.tenants
    ADD COLUMN limits jsonb NOT NULL DEFAULT '{}',
    ADD CONSTRAINT tenants_limits_are_named CHECK (jsonb_typeof(limits) = 'object');
