// The corrections of a ledger entry as JSON: how every backend keeps them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/drift.h"

namespace tallyman::store {

std::string CorrectionsToJson(const std::vector<Drift>& corrections);
// False: the text does not have that form.
bool CorrectionsFromJson(std::string_view text, std::vector<Drift>& corrections);

}  // namespace tallyman::store
