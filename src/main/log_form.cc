#include "main/log_form.h"

#include "main/json_log.h"
#include "main/stderr_log.h"

namespace tallyman {

std::unique_ptr<Log> MakeLog(LogForm form, Clock& clock) {
  if (form == LogForm::kJson) return std::make_unique<JsonLog>(clock);
  return std::make_unique<StderrLog>(LogLevel::kInfo);
}

}  // namespace tallyman
