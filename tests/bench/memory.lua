-- wrk: one request over and over, each time with a fresh id. The argument is a file of the whole request, in which a
-- byte 1 stands where the id of nine digits goes.

local head, tail, id

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local whole = file:read("*a")
  file:close()
  local at = whole:find("\1", 1, true)
  head, tail, id = whole:sub(1, at - 1), whole:sub(at + 1), tonumber(args[2])
end

function request()
  id = id + 1
  return head .. id .. tail
end

function done(summary)
  local errors = summary.errors
  io.write(string.format("\nDONE %d %d\n", summary.requests,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
