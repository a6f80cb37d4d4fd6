#include "cli/files.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/text.h"

namespace tallyman::cli {

Result<std::string> ReadInput(Context& context, const std::string& path, size_t bytes_max) {
  std::ifstream file;
  if (path == "-" && context.environment().in_is_closed) {
    return Fail(InvalidArgument("FILE_UNREADABLE",
                                "standard input is closed: open it, or name a file instead of -"));
  }
  if (path != "-") {
    std::error_code ignored;
    const auto type = std::filesystem::status(path, ignored).type();
    if (type == std::filesystem::file_type::not_found) {
      return Fail(
          Error(Code::kNotFound, kFileNotFound, fmt::format("there is no file {}", Quote(path))));
    }
    if (type == std::filesystem::file_type::directory) {
      return Fail(
          InvalidArgument("FILE_UNREADABLE", fmt::format("{} is a directory", Quote(path))));
    }
    file.open(path, std::ios::binary);
    if (!file) {
      return Fail(InvalidArgument(
          "FILE_UNREADABLE",
          fmt::format("the file {} cannot be read: {}", Quote(path), std::strerror(errno))));
    }
  }
  std::istream& stream = path == "-" ? context.environment().in : file;
  constexpr size_t kChunkBytes = 1 << 16;
  std::string text;
  while (stream && text.size() <= bytes_max) {
    const size_t filled = text.size();
    text.resize(filled + kChunkBytes);
    stream.read(text.data() + filled, kChunkBytes);
    text.resize(filled + static_cast<size_t>(stream.gcount()));
  }
  if (stream.bad()) {
    return Fail(
        InvalidArgument("FILE_UNREADABLE", fmt::format("reading the file {} failed", Quote(path))));
  }
  if (text.size() > bytes_max) {
    return Fail(
        InvalidArgument("FILE_TOO_LARGE", fmt::format("the file {} is larger than {} bytes, the "
                                                      "limit",
                                                      Quote(path), bytes_max)));
  }
  // As some editors and shells write by default.
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    return Fail(InvalidArgument(
        "FILE_UNREADABLE", fmt::format("the file {} is UTF-16: save it as UTF-8", Quote(path))));
  }
  return text;
}

}  // namespace tallyman::cli
