#include "http/incoming_body.h"

#include <algorithm>
#include <utility>

namespace tallyman::http {

std::expected<void, std::string> IncomingBody::Take(std::string_view& bytes) {
  if (is_chunked_) return chunks_.Take(bytes, bytes_);
  const size_t count = std::min(left_, bytes.size());
  bytes_.append(bytes.substr(0, count));
  bytes.remove_prefix(count);
  left_ -= count;
  return {};
}

size_t IncomingBody::Charge(std::atomic<size_t>& share) {
  share_ = &share;
  const size_t more = bytes_.size() - std::exchange(charged_, bytes_.size());
  return share += more;
}

void IncomingBody::Release() {
  if (share_ != nullptr) *share_ -= std::exchange(charged_, 0);
}

}  // namespace tallyman::http
