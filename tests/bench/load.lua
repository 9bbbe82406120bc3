-- wrk: sends prepared requests in turn, each with a fresh id, and prints what came of it as one line of JSON.
-- The argument is a file of whole requests separated by NUL, in each of which a byte 1 stands where the id goes.
-- Ids have nine digits, so that Content-Length holds.

local heads, tails, turn, id = {}, {}, 0, 100000000

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for whole in file:read("*a"):gmatch("[^%z]+") do
    local at = whole:find("\1", 1, true)
    heads[#heads + 1] = whole:sub(1, at - 1)
    tails[#tails + 1] = whole:sub(at + 1)
  end
  file:close()
end

function request()
  turn = turn % #heads + 1
  id = id + 1
  return heads[turn] .. id .. tails[turn]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nDONE {"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p99": %d, "errors": %d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
