import type { RedisScript } from "../_internal/redis_send.ts";

/*
 * Four keys: a hash with `epoch` and `version`; a hash of the records by name; a sorted set of the names by the
 * version of their last change; and one by the time at which they may be forgotten. A record begins with `+`
 * while it is in force, or with `-` when it was lifted, which others have to hear of. All times are the server's.
 */

/**
 * Adds, prolongs or lifts a block. `ARGV`: a new epoch, the name, the record, how long it is kept in
 * milliseconds, the capacity, and the epoch and the version that were seen last. Answers with epoch and version.
 *
 * A server that came back with older data counts its versions a second time, and who has seen them would
 * never hear of what they are now. So the first who has seen more than there is begins a new epoch.
 *
 * What is over is removed here, a bounded number at a time, so that polling writes nothing.
 */
const PUT = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'version')
local epoch = meta[1]
if not epoch or epoch == ARGV[6] and tonumber(meta[2] or 0) < tonumber(ARGV[7]) then
  epoch = ARGV[1]
  redis.call('HSET', KEYS[1], 'epoch', epoch)
end
local function drop(id)
  redis.call('HDEL', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
  redis.call('ZREM', KEYS[4], id)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 100)) do drop(id) end
local id = ARGV[2]
local last = now + tonumber(ARGV[4])
local known = redis.call('HGET', KEYS[2], id)
if known and string.sub(known, 1, 1) == '+' and string.sub(ARGV[3], 1, 1) == '+' then
  last = math.max(last, tonumber(redis.call('ZSCORE', KEYS[4], id) or 0))
end
local excess = redis.call('ZCARD', KEYS[4]) + 1 - tonumber(ARGV[5])
if not known and excess > 0 then
  for _, first in ipairs(redis.call('ZRANGE', KEYS[4], 0, excess - 1)) do drop(first) end
end
local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HSET', KEYS[2], id, ARGV[3])
redis.call('ZADD', KEYS[3], version, id)
redis.call('ZADD', KEYS[4], string.format('%.0f', last), id)
return {epoch, tostring(version)}`;

/**
 * Asks for changes. `ARGV`: the epoch and the version that were seen last, and how many changes at most. Answers
 * with the epoch, the version, 1 if there is more, and then by turns records and the time that they have left.
 * From the start, if there is less than was seen.
 */
const CHANGES = `local meta = redis.call('HMGET', KEYS[1], 'epoch', 'version')
if not meta[1] then return {'', '0', '0'} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local since = 0
if meta[1] == ARGV[1] and tonumber(meta[2] or 0) >= tonumber(ARGV[2]) then
  since = tonumber(ARGV[2])
end
local found = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. string.format('%.0f', since), '+inf',
  'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[3]))
local more = #found == 2 * tonumber(ARGV[3])
local reply = {meta[1], more and found[#found] or meta[2] or '0', more and '1' or '0'}
for at = 1, #found, 2 do
  local record = redis.call('HGET', KEYS[2], found[at])
  local last = redis.call('ZSCORE', KEYS[4], found[at])
  if record and last and tonumber(last) > now then
    reply[#reply + 1] = record
    reply[#reply + 1] = string.format('%.0f', tonumber(last) - now)
  end
end
return reply`;

export const PUT_SCRIPT: RedisScript = {
  text: PUT,
  sha1: "1b798019fe5fb53a6f1ad8eb54d0dca016ff15f6",
};
export const CHANGES_SCRIPT: RedisScript = {
  text: CHANGES,
  sha1: "f3d0c7bc6f12b8b375ba0b5df0704d2d6b7670f9",
};
