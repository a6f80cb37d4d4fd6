#include "rpc/method_limits.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cassert>
#include <string>

#include "tallyman/v1/options.pb.h"

namespace tallyman::rpc {

size_t BodyBytesMaxOf(std::string_view method) {
  std::string name(method);
  std::ranges::replace(name, '/', '.');
  const auto* found = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
  assert(found != nullptr && found->options().HasExtension(v1::limits));
  return static_cast<size_t>(found->options().GetExtension(v1::limits).body_bytes_max());
}

}  // namespace tallyman::rpc
