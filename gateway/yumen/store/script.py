"""The script with which a Redis server counts: `yumen.store.windows` once more, in Lua.

KEYS: a hash for each entry. ARGV: the time in seconds, or empty for the server's own; what is counted in every scope, in
MessagePack; then for each entry its scope, from 1, and a change for each series: 8 bytes, or empty to read only.

A scope is its milliseconds to live and its series, each as kind, names of fields, windows in seconds, and the kind's own
number (`keep` of `recent`, slots until what is usual is forgotten). Answers with the number of things whose clock went back
too far, the number of things that were none of ours and begin anew, and then a string for every series of every entry:
numbers as doubles, members as they came; all little-endian.

A field holds, as doubles unless said otherwise: a ring the number of its newest slice and its slices; `distinct` for each
member 8 bytes and when it was seen, in that order; `usual` its slot, sum, mean, variance and complete slots; `recent` when
the last one came and 8 bytes each; `until` the moment and when it was set.

Format: https://redis.io/docs/latest/develop/programmability/lua-api/
"""

from __future__ import annotations

from yumen.store.counting import ALPHA, DISTINCT_MAX, KEPT_S, RING, SLICES

# Fields of series that policy does not name any more go when there are so many of them.
STRANGERS_MAX = 32

COUNT = """
local SLICES, RING, DISTINCT_MAX = @SLICES, @RING, @DISTINCT_MAX
local ALPHA, KEPT_S, STRANGERS_MAX = @ALPHA, @KEPT_S, @STRANGERS_MAX
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local back, odd = 0, 0

local function doubles(numbers)
  local parts = {}
  for i = 1, #numbers do parts[i] = struct.pack('<d', numbers[i]) end
  return table.concat(parts)
end

-- What is kept is of a kind, or somebody else has put it there: it begins anew.
local function check(good)
  if not good then error('this is none of ours') end
end

local function number(bytes, at)
  local found = struct.unpack('<d', bytes, at)
  check(found - found == 0)
  return found
end

-- One window of a sum: what it holds, and its ring.
local function ring(held, window, amount)
  local position = now / (window / SLICES)
  local index = math.floor(position)
  local slices, newest = {}, index
  for i = 1, RING do slices[i] = 0 end
  if held then
    newest = number(held, 1)
    if index < newest - 1 then
      back = back + 1
    elseif index - newest < RING then
      for i = 1, RING do slices[i] = number(held, 1 + 8 * i) end
    end
    if index == newest - 1 then
      index, position = newest, newest
    elseif index > newest and index - newest < RING then
      for i = newest + 1, index do slices[1 + i % RING] = 0 end
    end
  end
  if amount > 0 then
    slices[1 + index % RING] = slices[1 + index % RING] + amount
  elseif amount < 0 then
    local owed = -amount
    for earlier = 0, SLICES do
      local slot = 1 + (index - earlier) % RING
      local taken = math.min(owed, slices[slot])
      slices[slot] = slices[slot] - taken
      owed = owed - taken
    end
  end
  local total = 0
  for i = 1, RING do total = total + slices[i] end
  table.insert(slices, 1, index)
  return total - slices[2 + (index + 1) % RING] * (position - index), doubles(slices)
end

local function sum(held, series, change)
  local amount = change ~= '' and number(change, 1) or 0
  local totals, kept = {}, {}
  for i, window in ipairs(series[3]) do totals[i], kept[i] = ring(held[i], window, amount) end
  return doubles(totals), kept
end

local function distinct(held, series, change)
  local seen, at, longest = held[1] or '', now, math.max(unpack(series[3]))
  check(#seen % 16 == 0 and #seen <= 16 * DISTINCT_MAX)
  if #seen > 0 then
    local last = number(seen, #seen - 7)
    if last - now > longest / SLICES then
      seen, back = '', back + 1
    elseif last > now then
      at = last
    end
  end
  local from = 1
  while from < #seen and number(seen, from + 8) <= at - longest do from = from + 16 end
  seen = string.sub(seen, from)
  if change ~= '' then
    local found = 1
    while found < #seen and string.sub(seen, found, found + 7) ~= change do found = found + 16 end
    if found < #seen then
      seen = string.sub(seen, 1, found - 1) .. string.sub(seen, found + 16)
    elseif #seen >= 16 * DISTINCT_MAX then
      seen = string.sub(seen, 17)
    end
    seen = seen .. change .. struct.pack('<d', at)
  end
  local counts = {}
  for i, window in ipairs(series[3]) do
    local first = #seen + 1
    while first > 1 and number(seen, first - 8) > at - window do first = first - 16 end
    counts[i] = (#seen + 1 - first) / 16
  end
  return doubles(counts), {seen}
end

local function usual(held, series, change)
  local slot, current, mean, variance, complete = math.floor(now / series[3][1]), 0, 0, 0, 0
  if held[1] then
    local began = number(held[1], 1)
    local passed = slot - began
    if passed < -1 then
      back = back + 1
    elseif passed <= series[4] then
      current, mean = number(held[1], 9), number(held[1], 17)
      variance, complete = number(held[1], 25), number(held[1], 33)
      if passed == -1 then
        slot = began
      elseif passed > 0 then
        if complete > 0 then
          local off = current - mean
          mean = mean + ALPHA * off
          variance = (1 - ALPHA) * (variance + ALPHA * off * off)
        else
          mean = current
        end
        local faded = (1 - ALPHA) ^ (passed - 1)
        variance = faded * (variance + mean * mean * (1 - faded))
        mean, complete, current = mean * faded, complete + passed, 0
      end
    end
  end
  if change ~= '' then current = math.max(0, current + number(change, 1)) end
  return doubles({current, mean, math.sqrt(variance), complete}), {doubles({slot, current, mean, variance, complete})}
end

local function recent(held, series, change)
  local before = ''
  check(not held[1] or (#held[1] % 8 == 0 and #held[1] <= 8 + 8 * series[4]))
  if held[1] and now - number(held[1], 1) <= KEPT_S then before = string.sub(held[1], 9) end
  local kept = before .. change
  return before, {struct.pack('<d', now) .. string.sub(kept, -8 * series[4])}
end

local function moment(held, series, change)
  if change ~= '' then return change, {change .. struct.pack('<d', now)} end
  if held[1] and now - number(held[1], 9) <= KEPT_S then return string.sub(held[1], 1, 8), {} end
  return doubles({0}), {}
end

local kinds = {sum = sum, distinct = distinct, usual = usual, recent = recent, ['until'] = moment}

-- Forget the fields that no series of this scope has.
local function tidy(key, names)
  local known, strangers = {}, {}
  for _, name in ipairs(names) do known[name] = true end
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if not known[name] then strangers[#strangers + 1] = name end
  end
  if #strangers > STRANGERS_MAX then
    -- Lua can hand over so many at once.
    for first = 1, #strangers, 1000 do
      redis.call('HDEL', key, unpack(strangers, first, math.min(first + 999, #strangers)))
    end
  end
end

local scopes = cmsgpack.unpack(ARGV[2])
local answers, next_argument = {0, 0}, 3
for _, key in ipairs(KEYS) do
  local scope = scopes[tonumber(ARGV[next_argument])]
  next_argument = next_argument + 1
  local names = {}
  for _, series in ipairs(scope[2]) do
    for _, name in ipairs(series[2]) do names[#names + 1] = name end
  end
  local held, taken, written = redis.pcall('HMGET', key, unpack(names)), 0, {}
  if held.err then
    redis.call('DEL', key)
    held, odd = {}, odd + 1
  end
  for _, series in ipairs(scope[2]) do
    local own, change = {}, ARGV[next_argument]
    next_argument = next_argument + 1
    for i = 1, #series[2] do own[i] = held[taken + i] end
    taken = taken + #series[2]
    local good, answer, kept = pcall(kinds[series[1]], own, series, change)
    if not good then
      odd = odd + 1
      answer, kept = kinds[series[1]]({}, series, change)
    end
    answers[#answers + 1] = answer
    if change ~= '' then
      for i, name in ipairs(series[2]) do
        written[#written + 1] = name
        written[#written + 1] = kept[i]
      end
    end
  end
  if #written > 0 then
    redis.call('HSET', key, unpack(written))
    redis.call('PEXPIRE', key, scope[1])
    if redis.call('HLEN', key) > #names + STRANGERS_MAX then tidy(key, names) end
  end
end
answers[1], answers[2] = back, odd
return answers
"""
# The time, and one field of a hash as it is. KEYS: the hash; ARGV: the time or empty, the field.
RING_OF = """
local now = ARGV[1]
if now == '' then
  local time = redis.call('TIME')
  now = string.format('%.6f', tonumber(time[1]) + tonumber(time[2]) / 1000000)
end
return {now, redis.call('HGET', KEYS[1], ARGV[2])}
"""
for _name, _value in {
    "@SLICES": SLICES,
    "@RING": RING,
    "@DISTINCT_MAX": DISTINCT_MAX,
    "@ALPHA": ALPHA,
    "@KEPT_S": KEPT_S,
    "@STRANGERS_MAX": STRANGERS_MAX,
}.items():
    COUNT = COUNT.replace(_name, str(_value))
