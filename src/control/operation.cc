#include "control/operation.h"

#include "base/text.h"
#include "control/authorize.h"

namespace tallyman::control {

Result<Authorized> Authorize(Control& control, const Call& call) {
  RETURN_IF_ERROR(MayCall(call));
  return Authorized(control, call);
}

Status CheckPlanToken(const std::string& token, const std::string& now) {
  if (token.empty() || token == now) return {};
  return Fail(Error(Code::kAborted, "PLAN_STALE",
                    "the plan is stale, because its input has changed since: make a new plan")
                  .With("field", "plan_token")
                  .With("plan_token", Quote(token))
                  .With("now", now));
}

}  // namespace tallyman::control
