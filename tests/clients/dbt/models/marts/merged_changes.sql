{{ config(materialized='incremental', unique_key=['repo', 'number'], incremental_strategy='merge') }}
select repo, number, state, updated_at
from {{ source('github', 'pull_requests') }}
where owner = 'acme' and repo = 'api'
{% if is_incremental() %}
  and updated_at >= (select max(updated_at) from {{ this }})
{% endif %}
