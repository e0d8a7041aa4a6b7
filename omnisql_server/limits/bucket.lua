-- A token bucket in one hash. Time is the server's, in whole milliseconds, so that replicas need no common clock.
--
-- KEYS[1]  the bucket
-- ARGV     operation, declared capacity, declared refill per second, then by operation:
--            take     cost
--            spare    cost, share of the capacity that must be left
--            observe  limit or '', remaining or '', milliseconds to the reset or ''
--            block    milliseconds
-- Returns {allowed 0|1, tokens left as text, milliseconds to wait}.
--
-- Fields: tokens; updated_ms, when they were counted; until_ms, before which the source refuses everything;
-- full_ms, when the source says that its quota is whole again; limit, the capacity the source itself told.
local operation = ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local stored = redis.call('HMGET', KEYS[1], 'tokens', 'updated_ms', 'until_ms', 'full_ms', 'limit')
local capacity, refill = tonumber(ARGV[2]), tonumber(ARGV[3])
local limit = tonumber(stored[5])
local resized = false
if operation == 'observe' and ARGV[4] ~= '' and tonumber(ARGV[4]) > 0 then
  resized = tonumber(ARGV[4]) ~= (limit or capacity)
  limit = tonumber(ARGV[4])
end
if limit then
  -- Plans differ in size: what was declared for the capacity is scaled to the one the source told.
  refill = refill * limit / capacity
  capacity = limit
end

local tokens = tonumber(stored[1]) or capacity
local updated = tonumber(stored[2]) or now
local closed_until = tonumber(stored[3]) or 0
local full = tonumber(stored[4]) or 0
if full > 0 and now >= full then
  tokens, updated, full = capacity, full, 0
end
-- A clock that was set back gives nothing.
tokens = math.min(capacity, tokens + math.max(0, now - updated) * refill / 1000)

local allowed, wait = 0, 0
if operation == 'take' then
  local cost = tonumber(ARGV[4])
  -- What costs more than a full bucket waits for a full one and leaves a debt.
  local needed = math.min(cost, capacity)
  if now < closed_until then
    wait = closed_until - now
  elseif tokens >= needed then
    tokens, allowed = tokens - cost, 1
  else
    wait = math.ceil((needed - tokens) * 1000 / refill)
    if full > now then
      wait = math.min(wait, full - now)
    end
  end
elseif operation == 'spare' then
  local cost = tonumber(ARGV[4])
  if now >= closed_until and tokens - cost >= capacity * tonumber(ARGV[5]) then
    tokens, allowed = tokens - cost, 1
  end
elseif operation == 'observe' then
  local remaining, reset = tonumber(ARGV[5]), tonumber(ARGV[6])
  -- An answer about a window that has ended says nothing of the present one.
  if remaining and (not reset or reset > 0) then
    -- Answers overtake each other, and requests are under way: the source can only make us more careful, except that
    -- tokens of a bucket of another size mean nothing.
    tokens = math.min(resized and capacity or tokens, remaining)
    if reset then
      full = now + reset
      if remaining < 1 then
        closed_until = math.max(closed_until, full)
      end
    end
  end
elseif operation == 'block' then
  closed_until = math.max(closed_until, now + tonumber(ARGV[4]))
end

redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'updated_ms', string.format('%.0f', now),
  'until_ms', string.format('%.0f', closed_until), 'full_ms', string.format('%.0f', full))
if limit then
  redis.call('HSET', KEYS[1], 'limit', string.format('%.17g', limit))
end
-- A forgotten bucket is a full one, so nothing may be forgotten before the bucket is full again (or 30 days).
local idle = math.min(math.max((capacity - tokens) * 1000 / refill, closed_until - now, full - now) + 3600000, 2592000000)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', idle))
return {allowed, string.format('%.17g', tokens), wait}
