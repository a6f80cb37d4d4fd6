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

namespace tallyman {

// None of them is owned; all outlive the pages.
struct PageParts {
  Control& control;
  StoreAdmin& admin;
  ServerMetrics& metrics;
  const std::atomic<bool>& draining;
  Log& log;
  std::string version;
};

// /healthz, /readyz, /metrics and /openapi.json.
std::map<std::string, SitePage, std::less<>> ServerPages(const PageParts& parts);

// Hosts, nodes and amounts by region, transitions by state and age. Read from the database at most
// once in a few seconds, however often they are requested. Thread-safe.
MetricSource FleetMetrics(Control& control);

}  // namespace tallyman
