-- For wrk: calls of one method about the nodes of a fleet, in turn, and one JSON object at the end.
--
--   BENCH_NODES   a file with an id per line      BENCH_TOKEN  the bearer token
--   BENCH_METHOD  GetNode or UpgradeNodes
--
-- Each thread has nodes of its own. All of them go to the large image before the first goes back.
local threads = 0
function setup(thread)
  thread:set("index", threads)
  threads = threads + 1
  thread:set("stride", tonumber(os.getenv("BENCH_THREADS")))
end

function init()
  nodes = {}
  local line = 0
  for id in io.lines(os.getenv("BENCH_NODES")) do
    if line % stride == index then nodes[#nodes + 1] = id end
    line = line + 1
  end
  method = os.getenv("BENCH_METHOD")
  wrk.method = "POST"
  wrk.path = "/tallyman.v1.NodeService/" .. method
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. (os.getenv("BENCH_TOKEN") or "")
  sent = 0
  -- wrk asks the first thread for one request that it does not send.
  asked = index ~= 0
end

local images = { "chain/full@2.0.0", "chain/full@1.0.0" }
function request()
  local node = nodes[sent % #nodes + 1]
  local image = images[math.floor(sent / #nodes) % 2 + 1]
  if asked then sent = sent + 1 else asked = true end
  if method == "GetNode" then return wrk.format(nil, nil, nil, '{"node":"' .. node .. '"}') end
  return wrk.format(nil, nil, nil, '{"nodes":["' .. node .. '"],"image":"' .. image .. '"}')
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"calls": %d, "rate": %.1f, "p50_us": %.0f, "p99_us": %.0f, "failed": %d}\n',
    summary.requests, summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
