select repo, number from {{ ref('work') }} where lead is null
