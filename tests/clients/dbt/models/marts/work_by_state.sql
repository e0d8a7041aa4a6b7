{{ config(materialized='view') }}
select repo, state, count(*) as pull_requests, sum(weight) as weight
from {{ ref('work') }}
group by repo, state
