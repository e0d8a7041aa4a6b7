{{ config(materialized='incremental', unique_key='key', on_schema_change='append_new_columns') }}
select key, status, updated
from {{ source('jira', 'issues') }}
where project_key = 'WEB'
{% if is_incremental() %}
  and updated >= (select max(updated) from {{ this }})
{% endif %}
