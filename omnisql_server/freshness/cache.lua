-- What replicas share of fetched rows: sealed entries on shelves, one memory bound over all, evicted by requests saved
-- per byte (GreedyDual-Size-Frequency). Time is the server's, so that replicas need no common clock.
--
-- KEYS[1]  the common tag; every other key begins with it, so that all live on one node of a cluster
-- ARGV     operation, shelf, microseconds that a test's clock is ahead, then by operation:
--   look    generation, number and telling known, how long requests are remembered (ms), the place of changes, the last
--           change known, entries with hits to count; pairs of entry and hits; then of each request asked for: name,
--           when, description
--           -> {now, generation, number, floor, telling, {entry, description, ...}, {name, when, description, ...},
--               last change, {name, when, description, ...}}
--   mark    name, description, kept for (ms), tenant, delivery; the shelf is a place of changes
--           -> 1, or 0 when the same delivery has marked it before
--   put     entry, description, rows, fetched, cost, bytes, kept for (us), bytes at most, tenant, steps; then entries
--           to drop
--           -> 1, or 0 when there is no room or the shelf was emptied since it was fetched
--   confirm entry, description, fetched, kept for (us)  -> 1, or 0 when it is gone
--   list    -> {now, {entry, description, hits, ...}}
--   drop    entries; none empties the shelf and refuses what was fetched before
--   leave   tenant, milliseconds: everything of it, and nothing more of it is put here for that long
local tag, operation, shelf = KEYS[1], ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2] + tonumber(ARGV[3])

local TOLD_MAX, CHANGES_MAX = 256, 100

local function key(kind, name) return tag .. kind .. ':' .. (name or '') end
local function whole(number) return string.format('%.0f', number) end

local function remove(place)
  local own, entry = string.match(place, '^(.*)/([^/]+)$')
  local size = tonumber(redis.call('HGET', key('size'), place) or '0')
  -- It may be gone already, evicted or dropped by another.
  if size > 0 then redis.call('HINCRBY', key('total'), 'bytes', whole(-size)) end
  redis.call('ZREM', key('rank'), place)
  redis.call('ZREM', key('due'), place)
  redis.call('HDEL', key('size'), place)
  redis.call('HDEL', key('cost'), place)
  redis.call('HDEL', key('hits'), place)
  redis.call('HDEL', key('entries', own), entry)
  redis.call('ZREM', key('order', own), entry)
  redis.call('DEL', key('rows', place))
  redis.call('DEL', key('steps', place))
end

local function empty(own)
  for _, entry in ipairs(redis.call('HKEYS', key('entries', own))) do
    remove(own .. '/' .. entry)
  end
end

local function rank(place)
  local size = tonumber(redis.call('HGET', key('size'), place) or '0')
  if size == 0 then return end
  local cost = tonumber(redis.call('HGET', key('cost'), place))
  local hits = tonumber(redis.call('HGET', key('hits'), place) or '0')
  local inflation = tonumber(redis.call('HGET', key('total'), 'inflation') or '0')
  redis.call('ZADD', key('rank'), string.format('%.17g', inflation + cost * (hits + 1) / size), place)
end

for _, place in ipairs(redis.call('ZRANGEBYSCORE', key('due'), '-inf', whole(now), 'LIMIT', 0, 100)) do
  remove(place)
end

if operation == 'look' then
  local told_from = 11 + 2 * tonumber(ARGV[10])
  for at = 11, told_from - 1, 2 do
    local place = shelf .. '/' .. ARGV[at]
    if redis.call('HEXISTS', key('size'), place) == 1 then
      redis.call('HINCRBY', key('hits'), place, ARGV[at + 1])
      rank(place)
    end
  end
  local state = redis.call('HMGET', key('shelf', shelf), 'generation', 'number', 'floor', 'telling')
  local generation, number, telling = state[1] or '', state[2] or '0', state[4] or '0'
  local after = generation == ARGV[4] and ARGV[5] or '0'
  local found = {}
  if after ~= number then
    for _, entry in ipairs(redis.call('ZRANGEBYSCORE', key('order', shelf), '(' .. after, '+inf')) do
      found[#found + 1] = entry
      found[#found + 1] = redis.call('HGET', key('entries', shelf), entry)
    end
  end
  local told, known = {}, generation == ARGV[4] and ARGV[6] or '0'
  if telling ~= known then
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', key('told', shelf), '(' .. known, '+inf')) do
      local request = redis.call('HMGET', key('asked', shelf), name .. ' when', name)
      if request[2] then
        for _, each in ipairs({name, request[1], request[2]}) do told[#told + 1] = each end
      end
    end
  end
  -- It may have been emptied with its tenant.
  if generation ~= '' and told_from <= #ARGV then
    for at = told_from, #ARGV, 3 do
      telling = whole(redis.call('HINCRBY', key('shelf', shelf), 'telling', 1))
      redis.call('ZADD', key('told', shelf), telling, ARGV[at])
      redis.call('HSET', key('asked', shelf), ARGV[at] .. ' when', ARGV[at + 1], ARGV[at], ARGV[at + 2])
    end
    while redis.call('ZCARD', key('told', shelf)) > TOLD_MAX do
      local least = redis.call('ZPOPMIN', key('told', shelf))[1]
      redis.call('HDEL', key('asked', shelf), least, least .. ' when')
    end
    redis.call('PEXPIRE', key('told', shelf), ARGV[7])
    redis.call('PEXPIRE', key('asked', shelf), ARGV[7])
  end
  local last, changed = ARGV[9], {}
  for at, each in ipairs(redis.call('ZRANGEBYSCORE', key('changes', ARGV[8]), '(' .. ARGV[9], '+inf', 'WITHSCORES')) do
    if at % 2 == 1 then
      changed[#changed + 1] = each
    else
      last = whole(tonumber(each))
      changed[#changed + 1] = last
      changed[#changed + 1] = redis.call('HGET', key('changed', ARGV[8]), changed[#changed - 1]) or ''
    end
  end
  return {whole(now), generation, number, state[3] or '0', telling, found, told, last, changed}
elseif operation == 'mark' then
  local name, changes = ARGV[4], key('changes', shelf)
  if redis.call('EXISTS', key('gone', ARGV[7])) == 1 then return 0 end
  if not redis.call('SET', key('delivery', shelf .. '/' .. ARGV[8]), '1', 'NX', 'PX', 86400000) then return 0 end
  if redis.call('ZCARD', changes) >= CHANGES_MAX and not redis.call('ZSCORE', changes, name) then
    redis.call('DEL', changes, key('changed', shelf))
    name = 'all'
  end
  redis.call('SADD', key('tenant', ARGV[7]), shelf)
  redis.call('ZADD', changes, whole(now), name)
  redis.call('HSET', key('changed', shelf), name, ARGV[5])
  redis.call('PEXPIRE', changes, ARGV[6])
  redis.call('PEXPIRE', key('changed', shelf), ARGV[6])
  return 1
elseif operation == 'put' then
  local entry, description, rows, fetched = ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
  local cost, size, kept, bound, tenant = ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), ARGV[12]
  local place = shelf .. '/' .. entry
  if size > bound or redis.call('EXISTS', key('gone', tenant)) == 1 then return 0 end
  redis.call('HSETNX', key('shelf', shelf), 'generation', ARGV[7])
  if fetched < tonumber(redis.call('HGET', key('shelf', shelf), 'floor') or '0') then return 0 end
  for at = 14, #ARGV do remove(shelf .. '/' .. ARGV[at]) end
  while tonumber(redis.call('HGET', key('total'), 'bytes') or '0') + size > bound do
    local last = redis.call('ZPOPMIN', key('rank'))
    if #last == 0 then break end
    redis.call('HSET', key('total'), 'inflation', last[2])
    remove(last[1])
  end
  local number = redis.call('HINCRBY', key('shelf', shelf), 'number', 1)
  redis.call('SADD', key('tenant', tenant), shelf)
  redis.call('HSET', key('entries', shelf), entry, description)
  redis.call('ZADD', key('order', shelf), number, entry)
  redis.call('SET', key('rows', place), rows)
  if ARGV[13] ~= '' then redis.call('SET', key('steps', place), ARGV[13]) end
  redis.call('HSET', key('size'), place, whole(size))
  redis.call('HSET', key('cost'), place, cost)
  redis.call('ZADD', key('due'), whole(now + kept), place)
  redis.call('HINCRBY', key('total'), 'bytes', whole(size))
  rank(place)
  return 1
elseif operation == 'confirm' then
  local entry, place = ARGV[4], shelf .. '/' .. ARGV[4]
  if redis.call('HEXISTS', key('size'), place) == 0 then return 0 end
  -- A new number: whoever looks next is told of it.
  redis.call('ZADD', key('order', shelf), redis.call('HINCRBY', key('shelf', shelf), 'number', 1), entry)
  redis.call('HSET', key('entries', shelf), entry, ARGV[5])
  redis.call('ZADD', key('due'), whole(now + tonumber(ARGV[7])), place)
  return 1
elseif operation == 'list' then
  local found = {}
  for _, entry in ipairs(redis.call('ZRANGE', key('order', shelf), 0, -1)) do
    found[#found + 1] = entry
    found[#found + 1] = redis.call('HGET', key('entries', shelf), entry)
    found[#found + 1] = redis.call('HGET', key('hits'), shelf .. '/' .. entry) or '0'
  end
  return {whole(now), found}
elseif operation == 'drop' then
  if #ARGV == 3 then
    empty(shelf)
    redis.call('HSET', key('shelf', shelf), 'generation', whole(now), 'floor', whole(now))
  end
  for at = 4, #ARGV do remove(shelf .. '/' .. ARGV[at]) end
  return 1
elseif operation == 'leave' then
  for _, own in ipairs(redis.call('SMEMBERS', key('tenant', shelf))) do
    empty(own)
    for _, kind in ipairs({'shelf', 'told', 'asked', 'changes', 'changed'}) do redis.call('DEL', key(kind, own)) end
  end
  redis.call('DEL', key('tenant', shelf))
  redis.call('SET', key('gone', shelf), '1', 'PX', ARGV[4])
  return 1
end
return redis.error_reply('unknown operation')
