#include "cli/errors.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "base/reasons.h"
#include "base/text.h"
#include "cli/document.h"
#include "cli/table.h"
#include "client/http_session.h"

namespace tallyman::cli {
namespace {

// A failed write to the disk may have reached it; every other failure of a database is a refusal.
// Over a network, a call whose answer did not come may have been carried out.
bool OutcomeIsOpen(const Error& error) {
  return error.code == Code::kUnknown || error.code == Code::kDeadlineExceeded ||
         error.reason == kDatabaseIo || error.reason == client::kAnswerLost;
}

}  // namespace

boost::json::array WarningList(const std::vector<v1::Warning>& warnings) {
  boost::json::array list;
  for (const v1::Warning& warning : warnings) list.push_back(ToDocument(warning));
  return list;
}

boost::json::value ErrorDocument(const Error& error, int exit_status,
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
  if (!warnings.empty()) document["warnings"] = WarningList(warnings);
  return document;
}

std::string ErrorText(const Error& error, const std::string& request_id, bool colour_on) {
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
  if (OutcomeIsOpen(error) && !request_id.empty()) {
    text += fmt::format(
        "It may or may not have happened: repeat it with --request-id {}, and it happens "
        "only once.\n",
        Printable(request_id));
  }
  return text;
}

}  // namespace tallyman::cli
