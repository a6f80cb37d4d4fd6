// A body that comes in chunks: RFC 9112, 7.1, to the letter. Extensions and trailers are bounded
// and ignored. Belongs to one thread.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

namespace tallyman::http {

class ChunkedBody {
 public:
  // Takes what it can use off the front of `bytes`, and adds to `body` what of it is content. What
  // is left needs more bytes behind it, or comes after the body. What is wrong, for people.
  std::expected<void, std::string> Take(std::string_view& bytes, std::string& body);
  bool is_whole() const { return state_ == State::kWhole; }

 private:
  enum class State { kSize, kContent, kContentEnd, kTrailer, kWhole };
  std::expected<void, std::string> TakeLine(std::string_view line);

  State state_ = State::kSize;
  size_t left_ = 0;          // of the chunk at hand
  size_t asides_bytes_ = 0;  // extensions and trailers
};

}  // namespace tallyman::http
