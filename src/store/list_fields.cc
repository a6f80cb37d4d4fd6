#include "store/list.h"

namespace tallyman {
namespace {

// A field whose name ends in _id takes an id in text form; the others take names, which are unique.
// `org` is empty where a row is everybody's.
constexpr auto kInt = FieldType::kInteger;
constexpr auto kText = FieldType::kText;

constexpr ListField kNamed[] = {{"name", kText}, {"created_at", kInt}};
constexpr ListField kHostFields[] = {
    {"name", kText},          {"region", kText},           {"node_count", kInt},
    {"free_cpu_cores", kInt}, {"free_memory_bytes", kInt}, {"free_disk_bytes", kInt},
    {"cpu_cores", kInt},      {"memory_bytes", kInt},      {"disk_bytes", kInt},
    {"node_cpu_cores", kInt}, {"node_memory_bytes", kInt}, {"node_disk_bytes", kInt},
    {"created_at", kInt}};
constexpr ListField kProtocolFields[] = {{"key", kText}, {"org", kText}, {"created_at", kInt}};
constexpr ListField kVersionFields[] = {{"id", kText},
                                        {"protocol", kText},
                                        {"variant", kText},
                                        {"semantic_version", kText},
                                        {"created_at", kInt}};
constexpr ListField kImageFields[] = {{"id", kText},          {"protocol", kText},
                                      {"variant", kText},     {"semantic_version", kText},
                                      {"build", kInt},        {"cpu_cores", kInt},
                                      {"memory_bytes", kInt}, {"disk_bytes", kInt},
                                      {"committed_at", kInt}, {"org", kText}};
constexpr ListField kNodeFields[] = {{"name", kText},
                                     {"org", kText},
                                     {"host", kText},
                                     {"region", kText},
                                     {"protocol", kText},
                                     {"variant", kText},
                                     {"semantic_version", kText},
                                     {"image_id", kText},
                                     {"node_state", kText},
                                     {"next_state", kText},
                                     {"cpu_cores", kInt},
                                     {"memory_bytes", kInt},
                                     {"disk_bytes", kInt},
                                     {"created_at", kInt},
                                     {"updated_at", kInt}};
constexpr ListField kCommandFields[] = {{"id", kText},   {"node", kText},   {"host", kText},
                                        {"kind", kText}, {"state", kText},  {"created_at", kInt},
                                        {"org", kText},  {"node_id", kText}};
constexpr ListField kEventFields[] = {{"cursor", kInt},      {"node", kText},   {"host", kText},
                                      {"org", kText},        {"kind", kText},   {"actor", kText},
                                      {"request_id", kText}, {"node_id", kText}};
constexpr ListField kTokenFields[] = {
    {"name", kText},      {"role", kText},      {"org", kText},      {"host", kText},
    {"created_at", kInt}, {"expires_at", kInt}, {"revoked_at", kInt}};
constexpr ListField kRequestFields[] = {{"created_at", kInt}, {"actor", kText},
                                        {"method", kText},    {"address", kText},
                                        {"org", kText},       {"request_id", kText}};

}  // namespace

std::span<const ListField> FieldsOf(Listing listing) {
  switch (listing) {
    case Listing::kOrgs:
    case Listing::kRegions:
      return kNamed;
    case Listing::kHosts:
      return kHostFields;
    case Listing::kProtocols:
      return kProtocolFields;
    case Listing::kVersions:
      return kVersionFields;
    case Listing::kImages:
      return kImageFields;
    case Listing::kNodes:
      return kNodeFields;
    case Listing::kCommands:
      return kCommandFields;
    case Listing::kEvents:
      return kEventFields;
    case Listing::kTokens:
      return kTokenFields;
    case Listing::kRequests:
      break;
  }
  return kRequestFields;
}

}  // namespace tallyman
