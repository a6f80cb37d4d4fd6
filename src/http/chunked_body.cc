#include "http/chunked_body.h"

#include <algorithm>
#include <charconv>

#include "http/line.h"

namespace tallyman::http {
namespace {

constexpr size_t kSizeDigitsMax = 15;
constexpr size_t kAsidesBytesMax = 4096;
constexpr size_t kLineBytesMax = kSizeDigitsMax + kAsidesBytesMax;

}  // namespace

// The size of a chunk with its extensions, or a trailer.
std::expected<void, std::string> ChunkedBody::TakeLine(std::string_view line) {
  if (state_ == State::kContentEnd) {
    if (!line.empty()) return std::unexpected("a chunk is longer than it says");
    state_ = State::kSize;
    return {};
  }
  if (state_ == State::kTrailer) {
    asides_bytes_ += line.size();
    if (line.empty()) state_ = State::kWhole;
  } else {
    const size_t digits = std::min(line.find_first_not_of("0123456789abcdefABCDEF"), line.size());
    const std::string_view rest = line.substr(digits);
    if (digits == 0 || digits > kSizeDigitsMax || (!rest.empty() && rest[0] != ';'))
      return std::unexpected("a chunk has no size");
    asides_bytes_ += rest.size();
    std::from_chars(line.data(), line.data() + digits, left_, 16);
    state_ = left_ == 0 ? State::kTrailer : State::kContent;
  }
  if (asides_bytes_ > kAsidesBytesMax)
    return std::unexpected("the extensions and trailers of the chunks are too long");
  return {};
}

std::expected<void, std::string> ChunkedBody::Take(std::string_view& bytes, std::string& body) {
  while (state_ != State::kWhole && !bytes.empty()) {
    if (state_ == State::kContent) {
      const size_t count = std::min(left_, bytes.size());
      body.append(bytes.substr(0, count));
      bytes.remove_prefix(count);
      left_ -= count;
      if (left_ == 0) state_ = State::kContentEnd;
      continue;
    }
    const auto end = static_cast<size_t>(std::ranges::find_if(bytes, IsControl) - bytes.begin());
    if (end > kLineBytesMax) return std::unexpected("a line between chunks is too long");
    if (end + 1 >= bytes.size()) {
      if (end < bytes.size() && bytes[end] != '\r')
        return std::unexpected("a line between chunks does not end with CR LF");
      return {};
    }
    if (!bytes.substr(end).starts_with(kLineEnd))
      return std::unexpected("a line between chunks does not end with CR LF");
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + kLineEnd.size());
    if (auto taken = TakeLine(line); !taken) return taken;
  }
  return {};
}

}  // namespace tallyman::http
