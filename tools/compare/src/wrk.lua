-- For wrk: asks for the paths of a file in their order, beginning with number FIRST, stops after COUNT
-- answers, and tells what it saw in one line of JSON.
--
--     wrk -s wrk.lua URL -- FILE FIRST COUNT
--
-- wrk itself knows only a duration. So when all is answered this says "done", and whoever started wrk
-- interrupts it.

local requests = {}
local number, left

function init(arguments)
   for path in io.lines(arguments[1]) do
      requests[#requests + 1] = wrk.format("GET", path)
   end
   number, left = tonumber(arguments[2]), tonumber(arguments[3])
end

function request()
   local text = requests[number % #requests + 1]
   number = number + 1
   return text
end

function response()
   left = left - 1
   if left == 0 then
      io.write("done\n")
      io.flush()
      wrk.thread:stop()
   end
end

function done(summary, latency)
   local buckets = {}
   for i = 1, #latency do
      local microseconds, count = latency(i)
      buckets[i] = string.format("[%d,%d]", microseconds, count)
   end
   -- Not the errors in reading: wrk counts one for every answer that ends with its connection, and an
   -- answer that is cut does not count as an answer.
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"microseconds":%d,"refused":%d,"broken":%d,"latencies":[%s]}\n',
      summary.requests, summary.duration, errors.status,
      errors.connect + errors.write + errors.timeout, table.concat(buckets, ",")))
end
