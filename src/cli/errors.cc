#include "cli/errors.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "base/reasons.h"
#include "base/text.h"
#include "cli/document.h"
#include "cli/table.h"

namespace tallyman::cli {

boost::json::array WarningList(const std::vector<v1::Warning>& warnings) {
  boost::json::array list;
  for (const v1::Warning& warning : warnings) list.push_back(ToDocument(warning));
  return list;
}

boost::json::value ErrorDocument(const Error& error, int exit_status, const OpenChange& open,
                                 const std::vector<v1::Warning>& warnings) {
  boost::json::object facts;
  for (const auto& [key, value] : error.facts) {
    facts[ToJsonString(key)] = ToJsonString(value);
  }
  boost::json::object document{
      {"error", boost::json::object{{"code", RowOf(error.code).name},
                                    {"reason", ToJsonString(error.reason)},
                                    {"message", ToJsonString(error.message)},
                                    {"resource", ToJsonString(error.resource)},
                                    {"facts", std::move(facts)},
                                    {"exit_status", exit_status}}}};
  if (!open.request_id.empty()) {
    document["open"] =
        boost::json::object{{"method", open.method}, {"request_id", ToJsonString(open.request_id)}};
  }
  if (!warnings.empty()) document["warnings"] = WarningList(warnings);
  return document;
}

std::string ErrorText(const Error& error, const OpenChange& open, bool colour_on) {
  std::string text =
      fmt::format("{} {}\n", Paint("error:", Colour::kRed, colour_on), Printable(error.message));
  if (error.reason != kUsage) {
    text += "reason: " + Printable(error.reason);
    std::string facts;
    for (const auto& [key, value] : error.facts) {
      const bool mentioned = !value.empty() && error.message.find(value) != std::string::npos;
      if (mentioned || value.empty() || key.ends_with("_id")) continue;
      facts += fmt::format("{}{}={}", facts.empty() ? "" : ", ", key, Printable(value));
    }
    text += facts.empty() ? "\n" : fmt::format(" ({})\n", facts);
  }
  if (!open.request_id.empty()) {
    text += fmt::format(
        "{} may or may not have happened: {}, and it happens only once.\n", open.method,
        open.is_the_command
            ? fmt::format("repeat the command with --request-id {}", Printable(open.request_id))
            : fmt::format("\"tallyman audit trail --request {}\" shows it if it did; run "
                          "the command again, which makes what is missing",
                          Printable(open.request_id)));
  }
  return text;
}

}  // namespace tallyman::cli
