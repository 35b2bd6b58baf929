-- One step for all limits of one key, shared by all processes.
--
-- KEYS: the key's hash and, if its account has credits, the account's. A hash holds one field per
-- process, "p:<process>" = flights|nanodollars|period|until (ms): what that process knows of and
-- no database has counted; "settled" = period|nanodollars; "tokens" and "filled" of the rate limit.
-- ARGV: process, ttl (ms), 1 to ask or 0 to tell, requests a minute, requests at once; then for
-- each hash: flights, nanodollars, period, settled nanodollars, limit (-1: none).
-- Returns {"ok"}, {"rate", ms to wait}, {"flights"} or {"budget", which hash, settled, others}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mine, ttl, asks = 'p:' .. ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local rate, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local writes = {}

for i, key in ipairs(KEYS) do
  local at = 5 + (i - 1) * 5
  local flights, own, period = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3]
  local settled, limit = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local others, running = 0, flights
  local all = redis.call('HGETALL', key)
  for j = 1, #all, 2 do
    local name, value = all[j], all[j + 1]
    if name == 'settled' then
      local when, nano = string.match(value, '^([^|]*)|(%d+)$')
      if when == period then settled = math.max(settled, tonumber(nano)) end
    elseif name ~= mine and string.sub(name, 1, 2) == 'p:' then
      local up, nano, when, till = string.match(value, '^(%d+)|(%d+)|([^|]*)|(%d+)$')
      if tonumber(till) < now then
        redis.call('HDEL', key, name)
      else
        running = running + tonumber(up)
        if when == period then others = others + tonumber(nano) end
      end
    end
  end
  if asks and i == 1 and most > 0 and running > most then return {'flights'} end
  if asks and limit >= 0 and settled + others + own > limit then
    return {'budget', i, string.format('%.0f', settled), string.format('%.0f', others)}
  end
  local told = string.format('%.0f|%.0f|%s|%.0f', flights, own, period, now + ttl)
  writes[i] = {mine, told, 'settled', string.format('%s|%.0f', period, settled)}
end

if asks and rate > 0 then
  local kept = redis.call('HMGET', KEYS[1], 'tokens', 'filled')
  local tokens, filled = tonumber(kept[1]) or rate, tonumber(kept[2]) or now
  tokens = math.min(rate, tokens + math.max(0, now - filled) * rate / 60000)
  if tokens < 1 then return {'rate', math.ceil((1 - tokens) * 60000 / rate)} end
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens - 1), 'filled', now)
end
for i, key in ipairs(KEYS) do
  redis.call('HSET', key, unpack(writes[i]))
  -- A bucket is full again after a minute: what is older need not be remembered.
  redis.call('PEXPIRE', key, math.max(ttl, 60000))
end
return {'ok'}
