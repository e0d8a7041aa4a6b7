{{ config(materialized='ephemeral') }}
select p.repo, p.number, p.state, i.key, i.project_key, i.status, p.updated_at
from {{ ref('stg_pull_requests') }} p
join {{ ref('stg_tracker_issues') }} i on i.key = p.issue_key
