select repo, number, state, title, split_part(title, ':', 1) as issue_key, created_at, updated_at
from {{ source('github', 'pull_requests') }}
where owner = 'acme' and repo in ('web', 'api')
