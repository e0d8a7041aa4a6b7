select key, project_key, status, status_category, assignee_name, story_points, created, updated
from {{ source('jira', 'issues') }}
where project_key in ('WEB', 'API')
