// One digest over everything in a directory: names, kinds, owners, modes, extended attributes and
// contents. Two trees with the same digest are the same to any program in them.
//
// It blocks, so it is called aside (aside.h).
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace tallyman::agent::oci {

// 64 hexadecimal digits. Times do not count. INTERNAL FILE_NOT_READ; CANCELED.
Result<std::string> SumOfTree(const std::filesystem::path& root, const std::stop_token& stop);

}  // namespace tallyman::agent::oci
