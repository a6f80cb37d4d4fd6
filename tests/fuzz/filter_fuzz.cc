// Filters and orders of lists. The first byte chooses the list, the first line is the order.
#include "control/reads/list_query.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tallyman;
  if (size == 0) return 0;
  constexpr uint8_t kListings = static_cast<uint8_t>(tallyman::store::Listing::kRolloutNodes) + 1;
  const auto listing = static_cast<tallyman::store::Listing>(data[0] % kListings);
  const std::string_view text = TextOf(data + 1, size - 1);
  const size_t end = text.find('\n');
  tallyman::control::ListRequest request;
  request.order_by = text.substr(0, end);
  if (end != std::string_view::npos) request.filter = text.substr(end + 1);
  auto query = tallyman::control::ParseList(listing, request);
  if (!query) {
    RequireGoodRefusal(query.error());
    return 0;
  }
  Require(query->limit > 0 && query->conditions.size() <= 32);
  const auto is_known = [&](std::string_view name) {
    for (const tallyman::store::ListField& field : tallyman::store::FieldsOf(listing)) {
      if (field.name == name) return true;
    }
    return listing == tallyman::store::Listing::kNodes && name == tallyman::control::kImageField;
  };
  Require(is_known(query->order_by));
  for (const tallyman::store::Condition& condition : query->conditions)
    Require(is_known(condition.field));
  return 0;
}
