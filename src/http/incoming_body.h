// The body of one request as it arrives.
#pragma once

#include <atomic>
#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "http/chunked_body.h"
#include "http/request_head.h"

namespace tallyman::http {

// Its bytes are charged to the share of its kind of caller, and given back when it goes. Belongs to
// one connection.
class IncomingBody {
 public:
  explicit IncomingBody(const RequestHead& head)
      : left_(head.body_bytes), is_chunked_(head.is_chunked) {}
  ~IncomingBody() { Release(); }
  IncomingBody(const IncomingBody&) = delete;
  IncomingBody& operator=(const IncomingBody&) = delete;

  // Takes its part off the front of `bytes`. The error is for people.
  std::expected<void, std::string> Take(std::string_view& bytes);
  bool is_whole() const { return is_chunked_ ? chunks_.is_whole() : left_ == 0; }
  std::string& bytes() { return bytes_; }

  // Charges what has come since the last call; returns what all bodies of that share have now.
  // REQUIRES: always the same share, which outlives the body.
  size_t Charge(std::atomic<size_t>& share);
  void Release();

 private:
  std::string bytes_;
  size_t left_;
  const bool is_chunked_;
  ChunkedBody chunks_;
  std::atomic<size_t>* share_ = nullptr;
  size_t charged_ = 0;
};

}  // namespace tallyman::http
