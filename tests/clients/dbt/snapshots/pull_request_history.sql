{% snapshot pull_request_history %}
{{ config(target_schema=env_var('ACME_SCHEMA'), unique_key='number', strategy='timestamp', updated_at='updated_at') }}
select number, title, state, updated_at from {{ source('github', 'pull_requests') }} where owner = 'acme' and repo = 'web'
{% endsnapshot %}
