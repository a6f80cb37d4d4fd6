// The server's pages for machines: liveness, readiness, metrics and the API.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "control/control.h"
#include "http/server_metrics.h"
#include "http/site.h"
#include "store/store.h"

namespace tallyman::app {

// None of them is owned; all outlive the pages.
struct PageParts {
  control::Control& control;
  store::StoreAdmin& admin;
  http::ServerMetrics& metrics;
  const std::atomic<bool>& draining;
  Log& log;
  std::string version;
};

// /healthz, /readyz, /metrics and /openapi.json.
std::map<std::string, http::SitePage, std::less<>> ServerPages(const PageParts& parts);

// Hosts, nodes and amounts by region, transitions by state and age. Read from the database at most
// once in a few seconds, however often they are requested. Thread-safe.
http::MetricSource FleetMetrics(control::Control& control);

}  // namespace tallyman::app
