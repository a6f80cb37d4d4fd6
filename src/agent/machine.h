// What the machine has.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "model/resources.h"

namespace tallyman {

// Cores, memory, and the size of the file system that `directory` is on.
// INTERNAL CAPACITY_NOT_MEASURED.
Result<Resources> MeasureMachine(const std::filesystem::path& directory);

}  // namespace tallyman
