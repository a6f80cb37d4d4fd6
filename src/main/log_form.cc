#include "main/log_form.h"

#include "main/json_log.h"
#include "main/stderr_log.h"

namespace tallyman::app {

std::unique_ptr<Log> MakeLog(LogForm form, Clock& clock) {
  if (form == LogForm::kJson) return std::make_unique<JsonLog>(clock);
  return std::make_unique<StderrLog>(LogLevel::kInfo);
}

void Info(Log& log, std::string event, std::string message) {
  log.Write({LogLevel::kInfo, std::move(event), std::move(message), {}});
}

int LogEnd(Log& log, const Status& ended, std::string goodbye, std::string failure) {
  if (ended) {
    Info(log, "stopped", std::move(goodbye));
    return 0;
  }
  const Error& error = ended.error();
  LogLine line{LogLevel::kError, std::move(failure), error.message, error.facts};
  line.fields.emplace_back("reason", error.reason);
  log.Write(line);
  return RowOf(error.code).exit_status;
}

}  // namespace tallyman::app
