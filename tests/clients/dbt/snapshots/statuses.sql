{% snapshot statuses %}
{{ config(target_schema=env_var('ACME_SCHEMA'), unique_key='key', strategy='check', check_cols=['status']) }}
select key, status, assignee_name from {{ source('jira', 'issues') }} where project_key = 'API'
{% endsnapshot %}
