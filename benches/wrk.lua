-- The request comes from the environment; the report is one line of name=value pairs.
local post = tonumber(os.getenv("BENCH_POST") or "0")
local hosts = tonumber(os.getenv("BENCH_HOSTS") or "0")
if post > 0 then
   wrk.method = "POST"
   wrk.body = string.rep("x", post)
end
if hosts > 0 then
   local requests, turn = {}, 0
   init = function(args)
      for n = 0, hosts - 1 do
         wrk.headers["Host"] = "site-" .. n .. ".example.test"
         requests[n] = wrk.format()
      end
   end
   request = function()
      turn = (turn + 1) % hosts
      return requests[turn]
   end
end
done = function(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format("\nBENCH requests=%d seconds=%f p50=%d p99=%d errors=%d closed=%d\n",
      summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
      errors.status + errors.connect + errors.write + errors.timeout, errors.read))
end
