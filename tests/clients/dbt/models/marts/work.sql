{{ config(indexes=[{'columns': ['repo', 'number'], 'unique': true}], grants={'select': ['ana']}) }}
select w.*, t.lead, t.weight
from {{ ref('paired') }} w
left join {{ ref('teams') }} t on t.team = w.repo
