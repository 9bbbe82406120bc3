-- wrk: sends prepared requests in turn, each with an id and a trace of its own, and prints what came of it as one
-- line of JSON. The argument is a file of whole requests separated by NUL. In each of them a byte 1 stands where the
-- id goes, then two bytes 2 where digits of the trace's and the span's ids go. Ids have nine digits, these have
-- eight, so that Content-Length holds.

local heads, middles, between, tails, turn, id = {}, {}, {}, {}, 0, 100000000

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for whole in file:read("*a"):gmatch("[^%z]+") do
    heads[#heads + 1], middles[#middles + 1], between[#between + 1], tails[#tails + 1] =
      whole:match("^(.-)\1(.-)\2(.-)\2(.*)$")
  end
  file:close()
end

function request()
  turn = turn % #heads + 1
  id = id + 1
  local trace = string.format("%08x", id)
  return heads[turn] .. id .. middles[turn] .. trace .. between[turn] .. trace .. tails[turn]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nDONE {"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p99": %d, "errors": %d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
